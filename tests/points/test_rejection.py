"""Points from a bounding box by rejection."""

from math import pi
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from helpers.domains import Ring
from helpers.uniformity import assert_uniform
from lightning_autobalance.points import Grid, LatinHypercube, Sampler, Sobol, Uniform, sample
from lightning_autobalance.points.rejection import in_bounds, rate_of

BOX = ((-1.0, 1.0), (-1.0, 1.0))


def in_disk(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points, axis=1) <= 1


def test_points_outside_are_rejected_by_hand() -> None:
    unit = torch.tensor([[0.5, 0.5], [0.0, 0.5], [0.0, 0.0], [0.75, 1.0]], dtype=torch.float64)
    found = in_bounds(BOX, in_disk).points(unit)
    assert_array_equal(found[:2], [[0, 0], [-1, 0]])
    assert found[2:].isnan().all()


def test_the_rate_is_the_share_of_the_cube() -> None:
    face = in_bounds(BOX, in_disk)
    assert face.rate == pytest.approx(pi / 4, rel=2e-3)
    assert face.measure == face.weight == pytest.approx(pi, rel=2e-3)
    assert rate_of(lambda unit: unit, 3) == 1.0


def test_a_known_measure_is_taken() -> None:
    face = in_bounds(BOX, in_disk, measure=pi)
    assert (face.measure, face.rate) == (pi, pi / 4)


def test_a_domain_that_no_point_finds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`contains` must hold for some points within `bounds`.* got none of 16384"):
        in_bounds(BOX, lambda points: np.zeros(len(points), dtype=bool))


@pytest.mark.parametrize(
    ("contains", "found"),
    [
        (lambda points: torch.from_numpy(points)[:, 0] < 0, r"Tensor of torch.bool of shape \(16384,\)"),
        (lambda points: (points[:, 0] < 0).tolist(), r"list of shape \(16384,\)"),
        (lambda points: points[0] ** 2 < 1, r"ndarray of bool of shape \(2,\)"),
        (lambda points: points[:, 0], r"ndarray of float64 of shape \(16384,\)"),
    ],
)
def test_an_answer_that_is_no_mask_is_named(contains: Any, found: str) -> None:
    with pytest.raises(ValueError, match=f"`contains` must give an array of booleans of NumPy.*got {found}"):
        in_bounds(BOX, contains)


def test_interior_points_are_uniform_by_area() -> None:
    x, y = (sample(Ring(), "interior", 10_000, Uniform(), seed=0, draw=0) - [2, 1]).T
    assert_uniform(x**2 + y**2, 0.25, 1)
    assert_uniform(np.arctan2(y, x), -pi, pi)


@pytest.mark.parametrize("sampler", [Uniform(), Grid(), LatinHypercube(), Sobol()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_every_sampler_draws_any_count(sampler: Sampler, count: int) -> None:
    found = sample(Ring(), "interior", count, sampler, seed=0, draw=0)
    assert found.shape == (count, 2)
    assert Ring().contains(found).all()
    assert len(np.unique(found, axis=0)) == count
    assert_array_equal(sample(Ring(), "interior", count, sampler, seed=0, draw=0), found)


def test_a_smaller_draw_is_the_start_of_a_larger_one() -> None:
    """Rejection does not make points depend on how many candidates were guessed."""
    small, large = (sample(Ring(), "interior", n, Uniform(), seed=0, draw=0) for n in (10, 1000))
    assert_array_equal(small, large[:10])
