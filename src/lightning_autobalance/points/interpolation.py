"""Values between scattered points."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import QhullError

Array = NDArray[np.float64]
MOST_COORDINATES = 3  # a triangulation in more of them takes too long
MOST_POINTS = 100_000  # likewise: seconds, and no picture shows more


class Scattered:
    """Interpolates linearly in the triangulation of points; NaN outside of it, and where there is none.

    A coordinate that is the same in all points is left out: at other values of it there is nothing to tell. Of very
    many points a random choice is used.

    Args:
        points: (n, d).
        values: (n, k).
    """

    def __init__(self, points: Array, values: Array) -> None:
        if len(points) > MOST_POINTS:
            chosen = np.random.default_rng(0).choice(len(points), MOST_POINTS, replace=False)
            points, values = points[chosen], values[chosen]
        self._first, self._varies = points[0], np.ptp(points, axis=0) > 0
        self._width = values.shape[1]
        self._between = _interpolator(points[:, self._varies], values)

    def __call__(self, x: Array) -> Array:
        """At points, (n, d) to (n, k)."""
        there = np.isclose(x, self._first, rtol=1e-6)[:, ~self._varies].all(axis=1)
        found = np.full((len(x), self._width), np.nan)
        if self._between is not None:
            found[there] = self._between(x[there][:, self._varies])
        return found


def _interpolator(points: Array, values: Array) -> Callable[[Array], Array] | None:
    coordinates = points.shape[1]
    if coordinates == 1:  # Qhull has no lines
        return _Line(points[:, 0], values)
    if not 2 <= coordinates <= MOST_COORDINATES:
        return None
    try:
        found: Callable[[Array], Array] = LinearNDInterpolator(points, values, rescale=True)
    except QhullError:  # too few points, or all in a plane
        return None
    return found


class _Line:
    def __init__(self, points: Array, values: Array) -> None:
        order = np.argsort(points)
        self._points, self._values = points[order], values[order]

    def __call__(self, x: Array) -> Array:
        columns = [np.interp(x[:, 0], self._points, v, left=np.nan, right=np.nan) for v in self._values.T]
        return np.stack(columns, axis=1)
