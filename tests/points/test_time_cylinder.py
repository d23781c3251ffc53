"""Space times time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightning_autobalance.points import Disk, Grid, Interval, Rectangle, TimeCylinder, Uniform, sample

HEAT = TimeCylinder(Interval(0.0, 1.0), (2.0, 6.0))


def test_names_and_bounds() -> None:
    assert HEAT.coordinates == ("x", "t")
    assert HEAT.bounds == ((0.0, 1.0), (2.0, 6.0))
    assert HEAT.parts == ("interior", "boundary", "left", "right", "initial")
    assert TimeCylinder(Rectangle((0.0, 1.0), (0.0, 1.0)), (0.0, 1.0)).coordinates == ("x", "y", "t")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("interior", [[0.25, 3], [0.25, 5], [0.75, 3], [0.75, 5]]),
        ("boundary", [[0, 3], [0, 5], [1, 3], [1, 5]]),
        ("initial", [[0.125, 2], [0.375, 2], [0.625, 2], [0.875, 2]]),
    ],
)
def test_midpoints_by_hand(part: str, expected: list[list[float]]) -> None:
    assert_array_equal(sample(HEAT, part, 4, Grid(), seed=0, draw=0), expected)


def test_a_round_space_keeps_its_parts() -> None:
    pipe = TimeCylinder(Disk((1.0, 2.0), 3.0), (0.0, 1.0))
    wall = sample(pipe, "boundary", 200, Uniform(), seed=0, draw=0)
    assert_allclose(np.linalg.norm(wall[:, :2] - [1, 2], axis=1), 3, rtol=1e-14)
    assert 0 <= wall[:, 2].min() < 0.1 < 0.9 < wall[:, 2].max() <= 1
    start = sample(pipe, "initial", 200, Uniform(), seed=0, draw=0)
    assert_array_equal(start[:, 2], 0)
    assert np.linalg.norm(start[:, :2] - [1, 2], axis=1).max() < 3


def test_points_at_another_time_are_outside() -> None:
    points = np.array([[0.5, 2.0], [0.5, 6.0], [0.5, 1.9], [0.5, 6.1], [1.1, 3.0]])
    assert_array_equal(HEAT.contains(points), [True, True, False, False, False])


def test_times_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`time` must be two finite numbers .* got \(1.0, 0.0\)"):
        TimeCylinder(Interval(0.0, 1.0), (1.0, 0.0))


def test_a_second_time_is_refused() -> None:
    with pytest.raises(ValueError, match="`space` must have no coordinate t, got"):
        TimeCylinder(HEAT, (0.0, 1.0))


def test_it_is_written_as_it_is_made() -> None:
    assert repr(TimeCylinder(Interval(-1, 1), (0, 0.5))) == "TimeCylinder(Interval(-1, 1), (0, 0.5))"
