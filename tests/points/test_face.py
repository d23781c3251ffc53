"""Faces: images of unit cubes."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_autobalance.points import Face
from lightning_autobalance.points.face import accepted, single_point, where

UNIT = torch.tensor([[0.0, 0.5], [0.25, 1.0]], dtype=torch.float64)


def test_defaults_are_one_face_of_unknown_size_that_rejects_nothing() -> None:
    face = Face(2, lambda unit: unit)
    assert math.isnan(face.measure)
    assert (face.weight, face.rate) == (1.0, 1.0)


def test_points_are_the_image_of_the_cube() -> None:
    assert torch.equal(Face(2, lambda unit: 2 * unit + 1).points(UNIT), 2 * UNIT + 1)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (lambda unit: unit[0], r"\(2,\)"),
        (lambda unit: unit[:1], r"\(1, 2\)"),
        (lambda unit: unit.tolist(), "list"),
    ],
)
def test_anything_but_one_row_per_point_is_refused(place: Any, found: str) -> None:
    with pytest.raises(ValueError, match=rf"`place` of a `Face` must give a tensor of shape \(2, d\).* got {found}"):
        Face(2, place).points(UNIT)


def test_rejected_points_are_rows_of_nan() -> None:
    found = where(torch.tensor([True, False]), UNIT)
    assert torch.equal(found[0], UNIT[0])
    assert found[1].isnan().all()
    assert accepted(found).tolist() == [True, False]
    assert accepted(torch.tensor([[0.0, float("nan")]])).tolist() == [False]  # one NaN is enough


def test_a_single_point_is_repeated() -> None:
    face = single_point(torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert (face.dim, face.measure) == (0, 1.0)
    found: Tensor = face.points(torch.zeros(3, 0, dtype=torch.float64))
    assert found.tolist() == [[1.0, 2.0]] * 3
    assert face.points(torch.zeros(1, 0)).dtype == torch.float32  # that of the cube
