"""Values between scattered points."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay, QhullError

Array = NDArray[np.float64]
MOST_COORDINATES = 3  # a triangulation in more of them takes too long
MOST_POINTS = 100_000  # likewise: seconds, and no picture shows more


class Scattered:
    """Interpolates linearly in the triangulation of points; NaN outside of it, and where there is none.

    A coordinate that is the same in all points is left out: at other values of it there is nothing to tell. Of very
    many points a random choice is used.

    Args:
        points: (n, d).
    """

    def __init__(self, points: Array) -> None:
        count = len(points)
        many = count > MOST_POINTS
        self._rows = np.random.default_rng(0).choice(count, MOST_POINTS, replace=False) if many else np.arange(count)
        self._low, self._size = points.min(axis=0), np.ptp(points, axis=0)
        self._varies = self._size > 0
        self._points = self._unit(points[self._rows])
        self._triangles = _triangles(self._points)

    def __call__(self, values: Array, x: Array) -> Array:
        """Values given at the points, (n,), at others, (m, d) to (m,)."""
        found, known = np.full(len(x), np.nan), values[self._rows]
        there = np.isclose(x, self._low, rtol=1e-6)[:, ~self._varies].all(axis=1)
        if self._points.shape[1] == 1:  # Qhull has no lines
            order = np.argsort(self._points[:, 0])
            line = self._points[order, 0], known[order]
            found[there] = np.interp(self._unit(x[there])[:, 0], *line, left=np.nan, right=np.nan)
        elif self._triangles is not None:
            found[there] = LinearNDInterpolator(self._triangles, known)(self._unit(x[there]))
        return found

    def _unit(self, x: Array) -> Array:
        unit: Array = (x - self._low)[:, self._varies] / self._size[self._varies]
        return unit


def _triangles(points: Array) -> Delaunay | None:
    if not 2 <= points.shape[1] <= MOST_COORDINATES:
        return None
    try:
        return Delaunay(points)
    except QhullError:  # too few points, or all in a plane
        return None
