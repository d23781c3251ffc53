"""The ellipse."""

from math import pi
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import ellipe

from lightning_autobalance.points import Disk, Ellipse, Grid, Uniform, sample

ELLIPSES = [
    Ellipse((1, 2), (3, 1), 0.4),
    Ellipse((1, 2), (1, 3)),
    Ellipse((0, 0), (1e3, 1)),
    Ellipse((-1, 0), (2, 2), 1),
]
ellipses = pytest.mark.parametrize("ellipse", ELLIPSES, ids=repr)


def boundary(ellipse: Ellipse, count: int = 1000) -> torch.Tensor:
    return torch.from_numpy(sample(ellipse, "boundary", count, Uniform(), 0, 0))


def test_names_and_bounds() -> None:
    ellipse = Ellipse((1, -2), (3, 1))
    assert ellipse.parts == ("interior", "boundary")
    assert ellipse.bounds == ((-2.0, 4.0), (-3.0, -1.0))
    assert ellipse.measure() == pytest.approx(3 * pi)
    assert ellipse.measure("boundary") == pytest.approx(12 * ellipe(1 - 1 / 9), rel=1e-14)
    assert_allclose(Ellipse((0, 0), (3, 1), pi / 2).bounds, [(-1, 1), (-3, 3)], atol=1e-14)


@ellipses
def test_the_length_beside_a_polygon(ellipse: Ellipse) -> None:
    phase = np.linspace(0, 2 * pi, 400_001)
    a, b = ellipse._axes
    expected = np.hypot(np.diff(a * np.cos(phase)), np.diff(b * np.sin(phase))).sum()
    assert ellipse.measure("boundary") == pytest.approx(expected, rel=1e-9)


@ellipses
def test_points_are_even_by_length(ellipse: Ellipse) -> None:
    points = sample(ellipse, "boundary", 4096, Grid(), 0, 0)
    steps = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
    length = ellipse.measure("boundary") / 4096
    assert steps.max() <= length * (1 + 1e-9)
    assert np.median(steps) == pytest.approx(length, rel=1e-4)
    assert ellipse.distance(torch.from_numpy(points)).abs().max() < 1e-12 * max(ellipse._axes)


@ellipses
def test_distances_along_the_normal(ellipse: Ellipse) -> None:
    """From outside every point is as far as it was moved; inside up to the least radius of curvature."""
    x = boundary(ellipse)
    normal = ellipse.normal(x)
    a, b = max(ellipse._axes), min(ellipse._axes)
    assert_allclose(normal.norm(dim=1), 1, rtol=1e-14)
    for away in (1e-3 * b, b, 10 * a, -0.5 * b**2 / a):
        assert_allclose(ellipse.distance(x + away * normal), away, atol=1e-11 * a)


@ellipses
def test_the_distance_beside_many_points_of_the_curve(ellipse: Ellipse) -> None:
    low, high = np.array(ellipse.bounds).T
    x = torch.from_numpy(np.random.default_rng(0).uniform(low - 1, high + 1, (300, 2)))
    curve = torch.from_numpy(sample(ellipse, "boundary", 20_000, Grid(), 0, 0))
    found = ellipse.distance(x)
    step = ellipse.measure("boundary") / 20_000
    assert_allclose(found.abs(), torch.cdist(x, curve).min(dim=1).values, atol=step)
    assert ((found < 0).numpy() == ellipse.contains(x.numpy())).all()


def test_centers_and_axes() -> None:
    ellipse = Ellipse((1, 2), (3, 1))
    x = torch.tensor([[1, 2], [2, 2], [1, 2.5], [4, 2], [6, 2], [1, 3], [1, 5]]).double().requires_grad_()
    distance = ellipse.distance(x)
    assert_allclose(distance.detach(), [-1, -np.sqrt(1 - 1 / 8), -0.5, 0, 2, 0, 2], atol=1e-12)
    (slope,) = torch.autograd.grad(distance.sum(), x)
    assert torch.isfinite(slope).all()


def test_a_circle_is_a_disk() -> None:
    ellipse, disk = Ellipse((1, 2), (3, 3), 0.7), Disk((1, 2), 3)
    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0)).double() * 8 - 2
    assert_allclose(ellipse.distance(x), disk.distance(x), atol=1e-13)
    assert ellipse.measure("boundary") == pytest.approx(disk.measure("boundary"), rel=1e-14)
    assert_allclose(ellipse.normal(x), disk.normal(x), atol=1e-13)


@ellipses
def test_float32(ellipse: Ellipse) -> None:
    x = boundary(ellipse, 100).float()
    assert ellipse.distance(x).dtype == torch.float32
    assert ellipse.distance(x).abs().max() < 1e-5 * max(ellipse._axes)
    assert torch.isfinite(ellipse.normal(x)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.0, float("inf")), (1, 1)), r"`center` must be two finite numbers, got \(0.0, inf\)"),
        (((0, 0), (1, 0)), r"`semi_axes` must be two finite numbers > 0, got \(1, 0\)"),
        (((0, 0), (-1, 1)), "`semi_axes` must be two finite"),
        (((0, 0), (1, 1), float("nan")), "`angle` must be a finite number, got nan"),
    ],
)
def test_what_is_no_ellipse_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ellipse(*arguments)


def test_it_is_written_as_it_was_given() -> None:
    assert repr(Ellipse((1, 2), (1, 3))) == "Ellipse((1, 2), (1, 3))"
    assert repr(Ellipse((1, 2), (1, 3), 0.1 + 0.2)) == "Ellipse((1, 2), (1, 3), 0.30000000000000004)"
