"""Bounds and membership up to rounding."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightning_autobalance.points.rounding import checked_bounds, checked_names, inside, rounding, slack


def test_bounds_become_floats() -> None:
    found = checked_bounds("x", (np.float64(1), 2))
    assert found == (1.0, 2.0)
    assert [type(b) for b in found] == [float, float]


@pytest.mark.parametrize(
    "bounds", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0), (1.0,), (0, 1, 2), 3.0, ("a", "b")]
)
def test_bounds_out_of_order_are_refused(bounds: Any) -> None:
    with pytest.raises(ValueError, match=r"`time` must be two finite numbers \(low, high\) with low < high, got "):
        checked_bounds.__wrapped__("time", bounds)  # the signature would refuse some first


def test_names() -> None:
    assert checked_names("xy", 2) == ("x", "y")
    assert checked_names(["theta", "nu"], 2) == ("theta", "nu")


@pytest.mark.parametrize("names", ["x", "xx", "xyz", ["x", "y_1"], ["x", ""], ["x", "1"]])
def test_names_that_are_not_distinct_words_are_refused(names: Any) -> None:
    with pytest.raises(ValueError, match=r"`coordinates` must be 2 different words of letters, got \('x'"):
        checked_names(names, 2)


def test_rounding_grows_with_size_and_with_distance_from_the_origin() -> None:
    assert rounding(0.0, 1.0) == pytest.approx(1e-12 + 4 * 2.0**-52)
    assert rounding(0.0, 1e-6) < 1e-17
    assert 2**-32 < rounding(1e6, 1e6 + 1e-2) < 1e-8
    assert slack(((0.0, 1.0), (0.0, 5.0), (-7.0, -6.0))) == rounding(0.0, 5.0)


def test_a_point_that_rounding_moved_off_the_edge_is_inside() -> None:
    bounds = ((-3.0, -0.9), (1e6, 1e6 + 1e-2))
    low, high = np.array(bounds).T
    shared = np.array([0.0, 1.0, 0.5])[:, None]
    assert inside(low + (high - low) * shared, bounds).all()
    edge = np.array([[np.nextafter(-3.0, -4.0), 1e6], [-3.0 - 1e-9, 1e6], [-3.0, 1e6 - 1e-6], [-3.0, np.nan]])
    assert_array_equal(inside(edge, bounds), [True, False, False, False])
