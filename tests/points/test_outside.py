"""Outside up to the rounding of numbers in files."""

import numpy as np
import pytest

from lightning_autobalance.points import Disk, Domain, Interval, Rectangle, TimeCylinder
from lightning_autobalance.points.outside import outside

HOLE = Rectangle((0, 1), (0, 1)) - Disk((0.5, 0.5), 0.25)


@pytest.mark.parametrize(
    ("domain", "points", "expected"),
    [
        (Interval(-1, 1), [[-1.0], [1 + 1e-9], [1.1], [-5.0]], [False, False, True, True]),
        (TimeCylinder(Interval(0, 1), (0, 2)), [[1 + 1e-8, 2 + 1e-8], [0.5, 2.1]], [False, True]),
        (
            HOLE,
            [[0.25 + 1e-8, 0.5], [0.5, 0.75 - 1e-8], [0.5, 0.5], [0.3, 0.5], [1, 1]],
            [False, False, True, True, False],
        ),
        (HOLE, [[7.0, 0.9]], [True]),
    ],
)
def test_which_are_outside(domain: Domain, points: list[list[float]], expected: list[bool]) -> None:
    x = np.array(points)
    before = x.copy()
    assert outside(domain, x).tolist() == expected
    np.testing.assert_array_equal(x, before)


def test_a_rounded_circle_is_inside() -> None:
    turn = np.linspace(0, 2 * np.pi, 200)
    circle = np.round(0.5 + 0.25 * np.stack([np.cos(turn), np.sin(turn)], axis=1), 9)
    assert not HOLE.contains(circle).all()
    assert not outside(HOLE, circle).any()
