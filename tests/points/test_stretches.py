"""Stretches of a curve, between the places where it meets other shapes."""

import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from lightning_autobalance.points import Disk, Domain, Polygon, Rectangle, Shape
from lightning_autobalance.points.stretches import stretches

EDGE = 1e-12
ENDS = torch.tensor([[0.0], [1.0]], dtype=torch.float64)


def outside(curve: Shape, *others: Domain) -> list[list[list[float]]]:
    def keep(points: Tensor) -> Tensor:
        return torch.stack([other.distance(points) > EDGE for other in others]).all(dim=0)

    (face,) = curve.faces("boundary")
    return [found.points(ENDS).tolist() for found in stretches(face, keep, others, EDGE)]


def test_a_circle_that_another_cuts() -> None:
    (arc,) = outside(Disk(), Disk((1, 0), 1))
    assert_allclose(arc, [[0.5, 0.75**0.5], [0.5, -(0.75**0.5)]], atol=1e-11)


def test_measures_and_weights() -> None:
    (face,) = Disk((0, 0), 2).faces("boundary")
    (half,) = stretches(face, lambda x: x[:, 1] > 0, [Rectangle((-3, 3), (-3, 0))], EDGE)
    assert half.measure == pytest.approx(face.measure / 2, rel=1e-11)
    assert half.weight == half.measure


def test_all_or_nothing() -> None:
    (face,) = Disk().faces("boundary")
    (whole,) = stretches(face, lambda x: x[:, 0] < 9, [Disk((5, 0), 1)], EDGE)
    assert whole.place is face.place
    assert stretches(face, lambda x: x[:, 0] > 9, [Disk((5, 0), 1)], EDGE) == ()


def test_small_things_are_met() -> None:
    """Ten notches, each a thousandth of the circle."""
    angle = torch.arange(10).double() + 0.5
    notches = [Disk((float(a.cos()), float(a.sin())), 1e-3) for a in angle]
    assert len(outside(Disk(), *notches)) == 11  # the start is one more


def test_an_edge_that_is_followed() -> None:
    line = Polygon([(0, 0), (4, 0), (4, 3)])
    (found,) = outside(line, Rectangle((1, 2), (-1, 0)))[:1]
    assert_allclose(found, [[0, 0], [1, 0]], atol=1e-10)


def test_a_corner_in_the_middle_does_not_decide() -> None:
    (face,) = Polygon([(0, 0), (2, 0), (1, 1)]).faces("boundary")
    middle = face.points(torch.tensor([[0.5]], dtype=torch.float64))
    kept = stretches(face, lambda x: (x - middle).norm(dim=1) > 1e-9, [Disk((9, 9), 1)], EDGE)
    assert len(kept) == 1


def test_where_curves_touch_nothing_is_left() -> None:
    """A side of a rectangle touches a circle in a point, which rounding makes a stretch of 1e-6."""
    (face,) = Rectangle((0, 2), (0, 1)).faces("bottom")
    disk = Disk((1, 0.5), 0.5)
    assert stretches(face, lambda x: disk.distance(x) <= EDGE, [disk], EDGE) == ()
    (circle,) = disk.faces("boundary")
    (whole,) = stretches(circle, lambda x: x[:, 1] > EDGE, [Rectangle((0, 2), (0, 1))], EDGE)
    assert whole.measure == circle.measure
