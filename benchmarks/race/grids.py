"""The points at which PINNacle counts errors where the solution is a formula."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Grid = Callable[[], Array]
Axis = tuple[float, float, int]
"""Lower end, upper end and number of points between them."""


def box(axes: Sequence[Axis]) -> Grid:
    """Equally spaced points within a box, without its boundary.

    Args:
        axes: One per coordinate.
    """
    return lambda: _product([_between(*axis) for axis in axes])


def box_times(axes: Sequence[Axis], times: tuple[float, int]) -> Grid:
    """The same at equally spaced times, without the first.

    Args:
        axes: One per coordinate of space.
        times: The last, and how many.
    """
    return lambda: _product([*(_between(*axis) for axis in axes), _after(*times)])


def ball_times(d: int, count: int, times: tuple[float, int]) -> Grid:
    """Random points in the unit ball, always the same, at equally spaced times, without the first.

    Args:
        d: Coordinates of space.
        count: Points in space.
        times: The last, and how many.
    """

    def points() -> Array:
        draw = np.random.default_rng(0)
        x = draw.normal(size=(count, d))
        x *= draw.random((count, 1)) ** (1 / d) / np.linalg.norm(x, axis=1, keepdims=True)
        t = np.repeat(_after(*times), count)[:, None]
        return np.concatenate([np.tile(x, (times[1], 1)), t], axis=1)

    return points


def _between(low: float, high: float, n: int) -> Array:
    found: Array = np.linspace(low, high, n + 2)[1:-1]
    return found


def _after(last: float, n: int) -> Array:
    return last * np.arange(1, n + 1) / n


def _product(axes: Sequence[Array]) -> Array:
    return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)
