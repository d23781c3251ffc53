"""Coordinates scaled to the cube, by hand, and by a jet."""

import pytest
import torch

from lightning_autobalance.derivatives import partials
from lightning_autobalance.nets.boxes import ToCube, check_bounds

X = torch.tensor([[0.0, 2.0], [4.0, 3.0], [1.0, 2.25]], dtype=torch.float64)


def test_points_by_hand() -> None:
    assert ToCube([(0.0, 4.0), (2.0, 3.0)])(X).tolist() == [[-1, -1], [1, 1], [-0.5, -0.5]]


def test_derivatives_by_hand() -> None:
    found = partials(ToCube([(0.0, 4.0), (2.0, 3.0)]), X, "", "x", "y", "xx+yy", mode="taylor")
    rows: list[list[float]] = [[0.5, 0], [0, 2], [0, 0]]
    assert found[0].tolist() == [[-1, -1], [1, 1], [-0.5, -0.5]]
    assert [derivative.tolist() for derivative in found[1:]] == [[row] * 3 for row in rows]


def test_a_cube_made_for_float32_is_exact_in_float64() -> None:
    third = 1 / 3  # not a number of float32
    assert ToCube([(0.0, third)]).float().double()(torch.tensor([[third]], dtype=torch.float64)).item() == 1.0


@pytest.mark.parametrize("bounds", [[(0.0, 1.0), (2.0, 2.0)], [(1.0, 0.0)], [(float("nan"), 1.0)]], ids=str)
def test_an_empty_interval_is_refused(bounds: list[tuple[float, float]]) -> None:
    for refuse in (check_bounds, ToCube):
        with pytest.raises(ValueError, match="`bounds` must be pairs of a lower and a higher number, got"):
            refuse(bounds)
