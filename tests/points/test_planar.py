"""Components and holes of planar shapes, by shapely."""

import sys

import numpy as np
import pytest
from shapely import Polygon, box

from lightning_autobalance.points.planar import (
    check_lengths,
    combined,
    numbers_by_ring,
    rings,
    shapely_or_remedy,
    with_all_holes,
)

PLATE = Polygon(
    box(0, 0, 4, 4).exterior, [box(3, 1, 3.5, 1.5).exterior, box(1, 2, 2, 3).exterior, box(1, 0.5, 2, 1).exterior]
)


def test_a_missing_shapely_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shapely", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"`shapely` must be installed .* `pip install \"lightning-autobalance\[g"
    ):
        shapely_or_remedy()


def test_one_piece_is_given_back() -> None:
    assert combined("|", box(0, 0, 1, 1), box(1, 0, 2, 1), "a | b").area == 2
    assert combined("&", box(0, 0, 1, 1), box(0.5, 0, 2, 1), "a & b").area == 0.5
    assert len(combined("-", box(0, 0, 4, 4), box(1, 1, 2, 2), "a - b").interiors) == 1


def test_what_rounding_leaves_is_no_piece() -> None:
    assert combined("-", box(0, 0, 3, 1), box(1, -1, 3 - 1e-14, 2), "a - b").area == 1


@pytest.mark.parametrize(
    ("operator", "other", "message"),
    [
        ("&", box(2, 0, 3, 1), "`&` must have two shapes that overlap, got no overlap for a and b"),
        ("-", box(1, 0, 3, 1), "`-` must have two shapes that overlap"),
        ("-", box(-1, -1, 3, 3), "`-` must leave something, got nothing for a and b"),
        ("-", box(0.4, -1, 0.6, 3), "`-` must give one connected shape, got 2 pieces for a and b"),
        ("|", box(1, 1, 3, 3), r"`\|` must give one connected shape, got 2 pieces for a and b"),
    ],
)
def test_what_is_not_one_piece_is_refused(operator: str, other: Polygon, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        combined(operator, box(0, 0, 1, 1), other, "a and b")


def test_holes_are_named_by_place() -> None:
    assert {name: ring.length for name, ring in rings(PLATE).items()} == {
        "outer": 16,
        "hole_1": 3,
        "hole_2": 4,
        "hole_3": 2,
    }


def test_pieces_by_ring() -> None:
    middles = np.array([[0, 1], [3.5, 1.2], [1.5, 0.5], [4, 2], [1.5, 2]])
    expected = {"outer": [0, 3], "hole": [2, 4, 1], "hole_1": [2], "hole_2": [4], "hole_3": [1]}
    assert numbers_by_ring(PLATE, middles) == expected
    assert numbers_by_ring(box(0, 0, 1, 1), middles) == {}


def test_a_single_hole_has_no_number() -> None:
    assert with_all_holes({"outer": [0], "hole_1": [1, 2]}) == {"outer": [0], "hole": [1, 2]}
    assert with_all_holes({"outer": [0]}) == {}


def test_lengths_that_are_not_the_outlines_are_refused() -> None:
    right = {"outer": 16.01, "hole_1": 3.0, "hole_2": 4.0, "hole_3": 2.0}
    check_lengths(PLATE, right, "-", "a - b")
    with pytest.raises(
        ValueError, match=r"`-` must give a shape .* boundary \(hole_2\) of length 3 where 4 is expected"
    ):
        check_lengths(PLATE, {**right, "hole_2": 3.0}, "-", "a - b")
