"""Boundary points where random lines enter or leave a domain."""

from math import pi

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from helpers.domains import Ring
from helpers.uniformity import assert_uniform
from lightning_autobalance.points import Grid, LatinHypercube, Sampler, Sobol, Uniform, sample
from lightning_autobalance.points.crossings import _across, on_crossings


def in_ball(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points, axis=1) <= 1


def in_square(points: np.ndarray) -> np.ndarray:
    return (np.abs(points) <= 1).all(axis=1)


@pytest.mark.parametrize(
    ("contains", "d", "measure"),
    [
        (in_ball, 2, 2 * pi),
        (in_ball, 3, 4 * pi),
        (in_square, 2, 8.0),
        (in_square, 3, 24.0),
        (in_ball, 4, 2 * pi**2),
        (in_square, 1, 2.0),
    ],
)
def test_the_measure_of_the_boundary(contains: object, d: int, measure: float) -> None:
    face = on_crossings(((-1.0, 1.0),) * d, contains)  # type: ignore[arg-type]
    assert face.measure == pytest.approx(measure, rel=0.05)
    assert face.dim == 2 * d


def test_both_edges_of_a_ring_count_by_their_length() -> None:
    assert Ring().measure("boundary") == pytest.approx(3 * pi, rel=0.02)
    radii = np.hypot(*(sample(Ring(), "boundary", 6000, Uniform(), seed=0, draw=0) - [2, 1]).T)
    inner = radii < 0.75
    assert inner.mean() == pytest.approx(1 / 3, abs=0.025)  # 4 standard deviations
    assert_allclose(radii, np.where(inner, 0.5, 1.0), rtol=1e-12)


def test_points_on_a_circle_are_uniform_by_length() -> None:
    x, y = (sample(Ring(), "boundary", 6000, Uniform(), seed=1, draw=0) - [2, 1]).T
    angle, outer = np.arctan2(y, x), np.hypot(x, y) > 0.75
    assert_uniform(angle[outer], -pi, pi)
    assert_uniform(angle[~outer], -pi, pi)


def test_points_on_a_sphere_are_uniform_by_area() -> None:
    """The height of a uniform point of the sphere is uniform (Archimedes)."""
    unit = torch.from_numpy(np.random.default_rng(0).random((60_000, 6)))
    found = on_crossings(((-1.0, 1.0),) * 3, in_ball).points(unit)
    found = found[~found.isnan().any(dim=1)]
    for i in range(3):
        assert_uniform(found[:, i], -1, 1)


@pytest.mark.parametrize("sampler", [Uniform(), LatinHypercube(), Sobol(), Grid()], ids=lambda s: type(s).__name__)
def test_every_sampler_draws_any_count(sampler: Sampler) -> None:
    found = sample(Ring(), "boundary", 50, sampler, seed=0, draw=0)
    assert found.shape == (50, 2)
    assert Ring().contains(found).all()


def test_a_domain_that_no_line_meets_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`contains` must hold for some points .* got none on 4096 random lines"):
        on_crossings(((0.0, 1.0),), lambda points: np.zeros(len(points), dtype=bool))


def test_the_domain_ends_where_its_box_does() -> None:
    face = on_crossings(((0.0, 1.0), (0.0, 1.0)), lambda points: points[:, 1] <= 0.5)
    assert face.measure == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_offsets_are_across_the_direction(d: int) -> None:
    generator = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(20, d, generator=generator).double(), dim=1)
    direction[0] = -torch.eye(d)[0]
    offset = torch.randn(20, d - 1, generator=generator).double()
    found = _across(direction, offset)
    assert_allclose((found * direction).sum(dim=1), 0, atol=1e-14)
    assert_allclose(found.norm(dim=1), offset.norm(dim=1))
