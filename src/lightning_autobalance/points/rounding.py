"""Bounds and membership up to rounding."""

from collections.abc import Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from lightning_autobalance.utils.plain import plain

Array = NDArray[np.float64]
Bounds = tuple[tuple[float, float], ...]


def checked_bounds(name: str, bounds: tuple[float, float]) -> tuple[float, float]:
    """Both as floats, if they are finite numbers in increasing order.

    Args:
        name: Name of the argument, for the error.
        bounds: (low, high).

    Raises:
        ValueError: If they are not.
    """
    bounds = plain(bounds)
    two = isinstance(bounds, Sequence) and len(bounds) == 2 and all(isinstance(b, int | float) for b in bounds)
    if not two or not all(isfinite(b) for b in bounds) or not bounds[0] < bounds[1]:
        raise ValueError(f"`{name}` must be two finite numbers (low, high) with low < high, got {bounds}.")
    return float(bounds[0]), float(bounds[1])


def checked_names(coordinates: Sequence[str], count: int) -> tuple[str, ...]:
    """Names of coordinates, if they are different words of letters, one per coordinate.

    Raises:
        ValueError: If they are not.
    """
    names = tuple(coordinates)
    if len(names) != count or len(set(names)) != count or not all(isinstance(n, str) and n.isalpha() for n in names):
        raise ValueError(
            f"`coordinates` must be {count} different words of letters, got {names}. Name them where there are more "
            "than three."
        )
    return names


def rounding(low: float, high: float) -> float:
    """How far rounding can move a point on the edge of an interval; it grows with the distance from the origin."""
    return 1e-12 * (high - low) + 4 * float(np.finfo(np.float64).eps) * max(abs(low), abs(high))


def slack(bounds: Bounds) -> float:
    """How far rounding can move a point of a domain in a box."""
    return max(rounding(*b) for b in bounds)


def inside(points: Array, bounds: Bounds) -> NDArray[np.bool_]:
    """Which points lie in a box, up to rounding.

    Args:
        points: (n, d).
        bounds: (low, high) per coordinate.
    """
    low, high = np.array(bounds).T
    edge = np.array([rounding(*b) for b in bounds])
    found: NDArray[np.bool_] = ((points >= low - edge) & (points <= high + edge)).all(axis=1)
    return found
