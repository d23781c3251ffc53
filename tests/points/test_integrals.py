"""Area and extent of what curves enclose."""

from math import pi

import pytest
import torch
from numpy.testing import assert_allclose

from lightning_autobalance.points import Disk, Ellipse, Interval, Polygon, Rectangle, Shape
from lightning_autobalance.points.boundary_pieces import Piece, Side
from lightning_autobalance.points.face import Face
from lightning_autobalance.points.integrals import enclosed, extent
from lightning_autobalance.points.polyline import stretch


def boundary(shape: Shape, sign: int = 1) -> list[Piece]:
    return [Piece(face, Side(shape, "boundary", sign)) for face in shape.faces("boundary")]


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (Interval(2, 5), 3),
        (Rectangle((1, 3), (0, 5)), 10),
        (Disk((1e3, 1e3), 2), 4 * pi),
        (Ellipse((1, 2), (3, 1), 0.4), 3 * pi),
        (Ellipse((0, 0), (1e3, 1e-1)), 100 * pi),
        (Disk((0, 0), 1e-6), pi * 1e-12),
        (Polygon([(0, 0), (4, 0), (0, 3)]), 6),
    ],
    ids=repr,
)
def test_areas_in_closed_form(shape: Shape, area: float) -> None:
    center = tuple((low + high) / 2 for low, high in shape.bounds)
    assert enclosed(boundary(shape), center) == pytest.approx(area, rel=1e-11)
    beside = tuple(c + 0.3 * (high - low) for c, (low, high) in zip(center, shape.bounds, strict=True))
    assert enclosed(boundary(shape), beside) == pytest.approx(area, rel=1e-11)


def test_a_hole_counts_as_less() -> None:
    assert enclosed(boundary(Disk((0, 0), 2)) + boundary(Disk((1, 0), 0.5), -1), (0, 0)) == pytest.approx(3.75 * pi)


@pytest.mark.parametrize(
    "shape", [Interval(2, 5), Rectangle((1, 3), (0, 5)), Disk((1, 2), 2), Ellipse((1, 2), (3, 1), 0.4)], ids=repr
)
def test_the_extent_is_the_bounding_box(shape: Shape) -> None:
    assert_allclose(extent(shape.faces("boundary")), shape.bounds, atol=1e-14)


def test_the_extent_of_an_arc() -> None:
    (circle,) = Disk().faces("boundary")
    arc = Face(1, stretch(circle.place, 0.1, 0.6))
    ends = arc.points(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    assert_allclose(extent([arc]), [(-1, ends[0, 0]), (ends[1, 1], 1)], atol=1e-14)
