"""What is left of a face of the boundary when shapes are joined, cut or subtracted."""

import pytest
import torch
from numpy.testing import assert_allclose

from lightning_autobalance.points import Box, Disk, Interval, Rectangle
from lightning_autobalance.points.boundary_pieces import OnBoundary, Piece, Side, kept
from lightning_autobalance.points.face import accepted

SQUARE, NEXT = Rectangle((0, 1), (0, 1)), Rectangle((1, 2), (0, 1))
STEP, EDGE = 1e-6, 1e-12


def on(whole: object, side: Side, *points: tuple[float, float], first: object = None) -> list[bool]:
    keep = OnBoundary(whole, first, side, STEP, EDGE)  # type: ignore[arg-type]
    return keep(torch.tensor(points, dtype=torch.float64)).tolist()


def test_sides_turn_when_they_are_subtracted() -> None:
    x = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    side = Side(SQUARE, "right")
    assert side.normal(x).tolist() == [[1, 0]]
    piece = Piece(SQUARE.faces("right")[0], side).turned()
    assert piece.side.normal(x).tolist() == [[-1, 0]]
    assert piece.turned().side == side


def test_a_side_between_two_shapes_is_no_boundary() -> None:
    both = SQUARE | NEXT
    assert on(both, Side(SQUARE, "right"), (1, 0.5)) == [False]
    assert on(both, Side(SQUARE, "left"), (0, 0.5)) == [True]
    assert on(SQUARE, Side(SQUARE, "right"), (1, 0.5)) == [True]


def test_what_coincides_counts_once() -> None:
    both = SQUARE | Rectangle((0.5, 2), (0, 1))
    bottom = Side(both.b, "bottom")
    assert on(both, bottom, (0.75, 0), (1.5, 0), first=SQUARE) == [False, True]
    assert on(both, bottom, (0.75, 0), (1.5, 0)) == [True, True]


def test_points_are_kept_or_not() -> None:
    left, right = Interval(0, 1).faces("boundary")
    assert kept(left, lambda x: x[:, 0] < 0.5, [], EDGE) == (left,)
    assert kept(right, lambda x: x[:, 0] < 0.5, [], EDGE) == ()


def test_curves_are_cut() -> None:
    (face,) = Disk().faces("boundary")
    (half,) = kept(face, lambda x: x[:, 1] > 0, [Rectangle((-2, 2), (-2, 0))], EDGE)
    assert half.rate == 1.0
    assert half.measure == pytest.approx(face.measure / 2, rel=1e-11)


def test_surfaces_reject() -> None:
    (face,) = Box((0, 1), (0, 2), (0, 1)).faces("z=0")
    (found,) = kept(face, lambda x: x[:, 1] < 0.5, [], EDGE)
    assert found.rate == pytest.approx(0.25, rel=0.01)
    assert found.measure == found.weight == pytest.approx(0.5, rel=0.01)
    points = found.points(torch.rand(1000, 2, generator=torch.Generator().manual_seed(0)).double())
    assert_allclose(accepted(points).double().mean(), 0.25, atol=0.06)
    assert points[accepted(points), 1].max() < 0.5
    assert kept(face, lambda x: x[:, 1] > 9, [], EDGE) == ()
    assert kept(face, lambda x: x[:, 1] < 9, [], EDGE)[0].rate < 1  # details that no trial found are rejected, too
