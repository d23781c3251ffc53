"""Normals of shapes that are made of several."""

import torch

from lightning_autobalance.points import Disk, Polygon, Rectangle
from lightning_autobalance.points.boundary_pieces import Piece, Side
from lightning_autobalance.points.normals import face_each_other, nearest_normal, pointing_out, sides_of

SQUARE, NEXT = Rectangle((0, 1), (0, 1)), Rectangle((1, 2), (0, 1))
SIDES = Side(SQUARE, "right"), Side(NEXT, "left")
X = torch.tensor([[1, 0.5], [1, 0.25]]).double()


def pieces(*sides: Side) -> list[Piece]:
    return [Piece(face, side) for side in sides for face in side.shape.faces(side.part)]


def test_a_side_counts_once() -> None:
    boundary = Side(SQUARE, "boundary")
    assert sides_of(pieces(boundary)) == (boundary,)
    assert sides_of(pieces(boundary, Side(SQUARE, "boundary", -1))) == (boundary, Side(SQUARE, "boundary", -1))


def test_the_nearest_shape_counts() -> None:
    x = torch.tensor([[0.0, 0.5], [3.0, 0.5]]).double()
    sides = Side(SQUARE, "boundary"), Side(Disk((4, 0.5), 1), "boundary", -1)
    assert nearest_normal(x, sides).tolist() == [[-1, 0], [1, 0]]
    assert nearest_normal(X, SIDES).tolist() == [[1, 0], [1, 0]]
    assert nearest_normal(X, SIDES[::-1]).tolist() == [[-1, 0], [-1, 0]]


def test_only_what_points_out_counts() -> None:
    normals = torch.stack([side.normal(X) for side in SIDES])
    assert pointing_out(normals, X, NEXT.distance, 1e-6).tolist() == [[False, False], [True, True]]
    found = nearest_normal(X, SIDES, lambda n: pointing_out(n, X, NEXT.distance, 1e-6))
    assert found.tolist() == [[-1, 0], [-1, 0]]


def test_sides_that_face_each_other_are_found() -> None:
    assert face_each_other(pieces(*SIDES))
    assert not face_each_other(pieces(Side(SQUARE, "boundary")))
    assert not face_each_other(pieces(SIDES[0], Side(NEXT, "left", -1)))
    triangle = Side(Polygon([(1, 0), (1, 1), (2, 0)]), "boundary")
    assert face_each_other(pieces(Side(SQUARE, "boundary"), triangle))
