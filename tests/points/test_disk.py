"""The disk."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from lightning_autobalance.points import Disk, Grid, Uniform, sample

DISK = Disk((1.0, -2.0), 3.0)


def radii(part: str, count: int) -> np.ndarray:
    return np.linalg.norm(sample(DISK, part, count, Uniform(), seed=0, draw=0) - [1, -2], axis=1)


def test_names_and_bounds() -> None:
    assert DISK.coordinates == ("x", "y")
    assert DISK.bounds == ((-2.0, 4.0), (-5.0, 1.0))
    assert DISK.parts == ("interior", "boundary")
    assert [face.dim for part in DISK.parts for face in DISK.faces(part)] == [2, 1]


def test_the_circle_by_hand() -> None:
    """Midpoints of two halves of the angle: a quarter and three quarters of a turn."""
    assert_allclose(sample(DISK, "boundary", 2, Grid(), seed=0, draw=0), [[1, 1], [1, -5]], atol=1e-14)


def test_the_interior_by_hand() -> None:
    (face,) = DISK.faces("interior")
    unit = torch.tensor([[0.25, 0.0], [0.0, 0.3], [1.0, 0.25]], dtype=torch.float64)
    assert_allclose(face.place(unit), [[2.5, -2], [1, -2], [1, 1]])


def test_boundary_points_lie_on_the_circle() -> None:
    assert_allclose(radii("boundary", 500), 3, rtol=1e-14)


def test_interior_points_are_uniform_by_area() -> None:
    shares = np.histogram(radii("interior", 10_000) ** 2, bins=10, range=(0, 9))[0] / 10_000
    assert_allclose(shares, 0.1, atol=0.012)  # 4 standard deviations


def test_the_circle_belongs_to_the_disk() -> None:
    points = np.array([[4.0, -2.0], [1.0, 1.0], [4.0 + 1e-9, -2.0], [3.9, 0.9]])
    assert_array_equal(DISK.contains(points), [True, True, False, False])


@pytest.mark.parametrize("radius", [0.0, -1.0, float("inf"), float("nan")])
def test_a_radius_that_is_not_positive_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match=f"`radius` must be finite and > 0, got {radius}"):
        Disk((0.0, 0.0), radius)


def test_a_center_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`center` must be a finite number per coordinate, got \(0.0, nan\)"):
        Disk((0.0, float("nan")), 1.0)
