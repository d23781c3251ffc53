"""Whether shapes overlap, by their bounding boxes and by points."""

import numpy as np
import pytest

from lightning_autobalance.points.overlap import box_around, check_overlap, directions, spread

A, B, BESIDE = ((0.0, 2.0), (0.0, 1.0)), ((1.0, 3.0), (-1.0, 0.5)), ((2.0, 3.0), (0.0, 1.0))


def test_boxes_by_hand() -> None:
    assert box_around("|", A, B, "a | b") == ((0.0, 3.0), (-1.0, 1.0))
    assert box_around("&", A, B, "a & b") == ((1.0, 2.0), (0.0, 0.5))
    assert box_around("-", A, B, "a - b") == A
    assert box_around("|", A, BESIDE, "a | b") == ((0.0, 3.0), (0.0, 1.0))


@pytest.mark.parametrize("operator", ["&", "-"])
def test_boxes_that_merely_touch_do_not_overlap(operator: str) -> None:
    with pytest.raises(ValueError, match=f"`{operator}` must have two shapes that overlap, got no overlap for a or b"):
        box_around(operator, A, BESIDE, "a or b")
    with pytest.raises(ValueError, match="must have two shapes that overlap"):
        check_overlap(operator, False, "a or b")
    check_overlap(operator, True, "a or b")


def test_points_fill_the_box() -> None:
    points = spread(B)
    assert points.shape == (2**14, 2)
    counts = np.histogram2d(*points.T, bins=4, range=B)[0]
    assert abs(counts / 2**10 - 1).max() < 0.02


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_directions_go_all_around(d: int) -> None:
    found = directions(d)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    any_way = np.random.default_rng(0).normal(size=(1000, d))
    any_way /= np.linalg.norm(any_way, axis=1, keepdims=True)
    assert (any_way @ found.T).max(axis=1).min() > 0.5  # within 60 degrees
    assert d == 1 or np.abs(found).min() > 1e-4
