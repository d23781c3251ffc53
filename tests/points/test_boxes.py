"""Intervals, rectangles and boxes."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightning_autobalance.points import Box, Grid, Interval, Rectangle, Uniform, sample


def test_names_and_bounds() -> None:
    box = Box((0.0, 1.0), (2.0, 4.0), (-1.0, 0.0))
    assert box.coordinates == ("x", "y", "z")
    assert box.bounds == ((0.0, 1.0), (2.0, 4.0), (-1.0, 0.0))
    assert box.parts == ("interior", "boundary", "left", "right", "y=2", "y=4", "z=-1", "z=0")
    assert Interval(-2.0, 5.0).coordinates == ("x",)
    assert Rectangle((0.0, 1.0), (0.0, 1.0)).coordinates == ("x", "y")
    assert Box((0.0, 1.0), (0.0, 1.0), coordinates=["r", "s"]).coordinates == ("r", "s")


def test_midpoints_of_the_interior_by_hand() -> None:
    found = sample(Rectangle((0.0, 4.0), (10.0, 12.0)), "interior", 4, Grid(), seed=0, draw=0)
    assert_array_equal(found, [[1, 10.5], [1, 11.5], [3, 10.5], [3, 11.5]])


def test_midpoints_of_the_boundary_by_hand() -> None:
    found = sample(Rectangle((0.0, 4.0), (10.0, 12.0)), "boundary", 8, Grid(), seed=0, draw=0)
    sides = [[[0, 10.5], [0, 11.5]], [[4, 10.5], [4, 11.5]], [[1, 10], [3, 10]], [[1, 12], [3, 12]]]
    assert_array_equal(found, np.concatenate(sides))


def test_the_boundary_of_an_interval_is_its_ends() -> None:
    assert [face.dim for face in Interval(-2.0, 5.0).faces("boundary")] == [0, 0]
    assert_array_equal(sample(Interval(-2.0, 5.0), "boundary", 5, Uniform(), seed=0, draw=0).T, [[-2, -2, -2, 5, 5]])


@pytest.mark.parametrize("d", [1, 2, 3])
def test_boundary_points_lie_exactly_on_one_face_each(d: int) -> None:
    box = Box(*[(-3.0, -0.9), (-3.0, -0.8), (-3.0, -0.7)][:d])  # low + (high - low) is not high here, by rounding
    found = sample(box, "boundary", 2 * d * 50, Uniform(), seed=0, draw=0)
    low, high = np.array(box.bounds).T
    on = np.stack([found == low, found == high], axis=-1).reshape(len(found), -1)  # bit for bit
    assert_array_equal(on.sum(axis=1), 1)
    assert_array_equal(on.sum(axis=0), 50)


def test_interior_points_are_spread_over_the_whole_box() -> None:
    found = sample(Rectangle((-1.0, 1.0), (0.0, 3.0)), "interior", 10_000, Uniform(), seed=0, draw=0)
    counts, *_ = np.histogram2d(*found.T, bins=5, range=[(-1, 1), (0, 3)])
    assert abs(counts / 400 - 1).max() < 0.2  # 4 standard deviations


def test_the_edge_belongs_to_the_box() -> None:
    square = Rectangle((0.0, 1.0), (0.0, 1.0))
    points = np.array([[0.0, 0.0], [1.0, 0.5], [1.0 + 1e-9, 0.5], [0.5, -1e-9]])
    assert_array_equal(square.contains(points), [True, True, False, False])


@pytest.mark.parametrize(
    "bounds", [(1.0, 0.0), (0.0, 0.0), (0.0, float("inf")), (float("nan"), 1.0)], ids=["turned", "empty", "inf", "nan"]
)
def test_bounds_out_of_order_are_refused(bounds: tuple[float, float]) -> None:
    message = r"`bounds` must be two finite numbers \(low, high\) with low < high, got \("
    for build in (lambda: Interval(*bounds), lambda: Rectangle((0.0, 1.0), bounds), lambda: Box(bounds)):
        with pytest.raises(ValueError, match=message):
            build()


@pytest.mark.parametrize(
    ("bounds", "names"),
    [(4, None), (2, "xx"), (2, "x"), (1, ["x_y"]), (1, "1")],
    ids=["too many", "doubled", "too few", "underscore", "digit"],
)
def test_names_that_are_not_letters_are_refused(bounds: int, names: Any) -> None:
    with pytest.raises(ValueError, match=f"`coordinates` must be {bounds} different words of letters, got"):
        Box(*[(0.0, 1.0)] * bounds, coordinates=names)


def test_a_box_without_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`bounds` must have .* at least one coordinate, got none"):
        Box()
