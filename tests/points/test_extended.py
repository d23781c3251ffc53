"""A domain times an interval."""

import pytest
import torch
from numpy.testing import assert_array_equal

from helpers.domains import Ring
from lightning_autobalance.points import Disk, Grid, Interval, Rectangle, TimeCylinder, Uniform, sample
from lightning_autobalance.points.extended import Extended

SQUARE = Rectangle((0.0, 2.0), (0.0, 3.0))
LONG = Extended(SQUARE, "s", (1.0, 5.0), "length")


def test_the_further_coordinate_comes_last() -> None:
    assert LONG.coordinates == ("x", "y", "s")
    assert LONG.bounds == ((0.0, 2.0), (0.0, 3.0), (1.0, 5.0))
    assert LONG.parts == SQUARE.parts


def test_sizes_are_multiplied() -> None:
    assert LONG.measure("interior") == 24
    assert LONG.measure("left") == 12
    assert [face.dim for face in LONG.faces("boundary")] == [2] * 4
    assert Extended(Interval(0, 1), "s", (1, 5), "s").measure("left") == 4


def test_midpoints_by_hand() -> None:
    found = sample(Extended(Interval(0.0, 1.0), "s", (1.0, 5.0), "s"), "interior", 4, Grid(), seed=0, draw=0)
    assert_array_equal(found, [[0.25, 2], [0.25, 4], [0.75, 2], [0.75, 4]])


def test_the_weights_of_faces_are_those_of_the_base() -> None:
    assert [face.weight for face in LONG.faces("boundary")] == [face.weight for face in SQUARE.faces("boundary")]
    own = Extended(Ring(), "s", (0.0, 2.0), "s")
    (face,), (base,) = own.faces("interior"), Ring().faces("interior")
    assert face.rate == base.rate
    assert face.measure == pytest.approx(2 * base.measure)


def test_points_are_inside_if_base_and_interval_contain_them() -> None:
    own = Extended(Ring(), "s", (0.0, 2.0), "s")
    points = sample(Ring(), "interior", 1, Uniform(), 0, 0).repeat(3, axis=0)
    found = torch.cat([torch.from_numpy(points), torch.tensor([[0.0], [2.0], [2.1]]).double()], dim=1).numpy()
    assert_array_equal(own.contains(found), [True, True, False])
    found[0, :2] = 2, 1  # in the hole
    assert_array_equal(own.contains(found), [False, True, False])


def test_distance_and_normal_are_those_of_the_base() -> None:
    x = torch.tensor([[0.5, 0.0, 1.0], [0.0, 2.0, 0.7]], dtype=torch.float64)
    pipe = TimeCylinder(Disk(), (0.0, 1.0))
    assert torch.equal(pipe.distance(x), Disk().distance(x[:, :2]))
    assert torch.equal(pipe.normal(x), torch.tensor([[1.0, 0, 0], [0, 1, 0]]).double())


def test_names_given_before_or_after_reach_the_base() -> None:
    for domain in (
        TimeCylinder(SQUARE.named(left="inlet"), (0.0, 1.0)),
        TimeCylinder(SQUARE, (0.0, 1.0)).named(left="inlet"),
    ):
        assert "inlet" in domain.parts
        x = torch.tensor([[0.0, 1.0, 0.5]]).double()
        assert domain.normal(x, "inlet").tolist() == [[-1, 0, 0]]
        assert sample(domain, "inlet", 3, Uniform(), 0, 0)[:, 0].tolist() == [0, 0, 0]


def test_an_interval_out_of_order_is_named() -> None:
    with pytest.raises(ValueError, match=r"`length` must be two finite numbers .* got \(1.0, 1.0\)"):
        Extended(SQUARE, "s", (1.0, 1.0), "length")
