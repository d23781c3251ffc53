"""Balls in any number of dimensions."""

from math import pi

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from helpers.uniformity import assert_uniform
from lightning_autobalance.points import Ball, Disk, Grid, Interval, LatinHypercube, Sampler, Sobol, Uniform, sample

CENTER = (1.0, -2.0, 3.0, 0.5, 7.0, -1.0)


def ball(d: int, radius: float = 2.0) -> Ball:
    return Ball(CENTER[:d], radius, coordinates="abcdef"[:d])


def centred(d: int, part: str, sampler: Sampler | None = None, count: int = 10_000) -> np.ndarray:
    found = sample(ball(d), part, count, sampler or Uniform(), seed=0, draw=0)
    assert ball(d).contains(found).all()
    return (found - CENTER[:d]) / 2


def test_names_and_bounds() -> None:
    unit = Ball()
    assert unit.coordinates == ("x", "y", "z")
    assert unit.bounds == ((-1.0, 1.0),) * 3
    assert Ball(list(np.zeros(3))).bounds == unit.bounds
    assert unit.parts == ("interior", "boundary")
    assert [face.dim for d in range(1, 7) for face in ball(d).faces("interior")] == [1, 2, 3, 5, 6, 7]


@pytest.mark.parametrize(
    ("d", "volume", "surface"),
    [
        (1, 4, 2),
        (2, 4 * pi, 4 * pi),
        (3, 32 / 3 * pi, 16 * pi),
        (4, 8 * pi**2, 16 * pi**2),
        (6, 64 * pi**3 / 6, 32 * pi**3),
    ],
)
def test_volume_and_surface(d: int, volume: float, surface: float) -> None:
    assert ball(d).measure() == pytest.approx(volume)
    assert ball(d).measure("boundary") == pytest.approx(surface)


def test_two_dimensions_are_the_disk_and_one_an_interval() -> None:
    for part in ("interior", "boundary"):
        assert_array_equal(*(sample(b, part, 50, Sobol(), 3, 1) for b in (ball(2), Disk(CENTER[:2], 2.0))))
    assert sorted(sample(ball(1), "boundary", 4, Uniform(), 0, 0).flatten()) == [-1, -1, 3, 3]
    assert_allclose(sample(ball(1), "interior", 9, Grid(), 0, 0), sample(Interval(-1, 3), "interior", 9, Grid(), 0, 0))


def test_the_sphere_by_hand() -> None:
    (face,) = ball(3, 1.0).faces("boundary")
    unit = torch.tensor([[0.0, 0.3], [0.5, 0.25], [1.0, 0.0], [0.25, 0.5]], dtype=torch.float64)
    expected = [[0, 0, 1], [0, 1, 0], [0, 0, -1], [-(0.75**0.5), 0, 0.5]]
    assert_allclose(face.points(unit) - torch.tensor(CENTER[:3]), expected, atol=1e-15)


@pytest.mark.parametrize("d", [2, 3, 4, 6])
def test_points_of_the_sphere_lie_on_it_uniformly(d: int) -> None:
    x = centred(d, "boundary")
    assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-13)
    assert_allclose(x.mean(axis=0), 0, atol=4 / np.sqrt(d * len(x)))
    assert_allclose(x.T @ x / len(x), np.eye(d) / d, atol=0.02)
    if d == 3:
        for i in range(3):
            assert_uniform(x[:, i], -1, 1)  # Archimedes


@pytest.mark.parametrize("d", [1, 2, 3, 4, 6])
def test_interior_points_are_uniform_by_volume(d: int) -> None:
    x = centred(d, "interior")
    assert_uniform(np.linalg.norm(x, axis=1) ** d, 0, 1)
    assert_allclose(x.mean(axis=0), 0, atol=0.04)


@pytest.mark.parametrize("sampler", [Uniform(), Grid(), LatinHypercube(), Sobol()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_every_sampler(sampler: Sampler, d: int) -> None:
    interior, boundary = (ball(d).faces(part)[0].dim for part in ("interior", "boundary"))
    assert np.linalg.norm(centred(d, "interior", sampler, 3**interior), axis=1).max() <= 1
    on = centred(d, "boundary", sampler, 3**boundary if boundary else 2)
    assert_allclose(np.linalg.norm(on, axis=1), 1, rtol=1e-13)  # the middle of a grid, too


def test_sobol_points_integrate_better_than_uniform_ones() -> None:
    """The mean of z² is 1/5 over the ball and 1/3 over the sphere."""
    for part, exact in {"interior": 1 / 5, "boundary": 1 / 3}.items():
        draws = {s: [sample(Ball(), part, 256, s, 0, i)[:, 2] for i in range(20)] for s in (Uniform(), Sobol())}
        errors = [np.sqrt(np.mean([((z**2).mean() - exact) ** 2 for z in found])) for found in draws.values()]
        assert errors[1] < 0.2 * errors[0]


def test_distance_and_normal() -> None:
    x = torch.tensor([[1.0, -2.0, 3.0], [1.0, -2.0, 6.0], [2.0, -2.0, 3.0]], dtype=torch.float64)
    assert ball(3).distance(x).tolist() == [-2, 1, -1]
    assert ball(3).normal(x[1:]).tolist() == [[0, 0, 1], [1, 0, 0]]
    on = torch.from_numpy(sample(ball(4), "boundary", 20, Uniform(), 0, 0))
    assert_allclose(ball(4).distance(on), 0, atol=1e-14)
    assert_allclose(ball(4).normal(on), super(Ball, ball(4)).normal(on), atol=1e-12)  # the gradient of the distance


@pytest.mark.parametrize("radius", [0.0, -1.0, float("inf"), float("nan")])
def test_a_radius_that_is_not_positive_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match=f"`radius` must be finite and > 0, got {radius}"):
        Ball(radius=radius)


@pytest.mark.parametrize("center", [(), (0.0, float("nan"), 1.0), (float("inf"),)])
def test_a_center_that_is_no_point_is_refused(center: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="`center` must be a finite number per coordinate, got"):
        Ball(center)


def test_more_than_three_dimensions_need_names() -> None:
    with pytest.raises(ValueError, match=r"`coordinates` must be 4 different words .*Name them where there are more"):
        Ball((0.0,) * 4)
