"""Whether shapes overlap, by their bounding boxes and by points."""

import numpy as np
from scipy.stats import qmc

from lightning_autobalance.points.rejection import TRIALS
from lightning_autobalance.points.rounding import Array, Bounds


def check_overlap(operator: str, overlap: bool, written: str) -> None:
    """Check that two shapes that are cut or subtracted overlap.

    Args:
        operator: "&" or "-".
        overlap: Whether they do.
        written: The combination, for errors.

    Raises:
        ValueError: If they do not.
    """
    if not overlap:
        raise ValueError(f"`{operator}` must have two shapes that overlap, got no overlap for {written}.")


def box_around(operator: str, a: Bounds, b: Bounds, written: str) -> Bounds:
    """A box around a combination: that of ``a`` for a difference, the overlap for a cut, one around both for a union.

    Raises:
        ValueError: If boxes of shapes that are cut or subtracted do not overlap.
    """
    pairs = list(zip(a, b, strict=True))
    if operator == "|":
        return tuple((min(p[0], q[0]), max(p[1], q[1])) for p, q in pairs)
    both = tuple((max(p[0], q[0]), min(p[1], q[1])) for p, q in pairs)
    check_overlap(operator, all(low < high for low, high in both), written)
    return both if operator == "&" else a


def spread(bounds: Bounds) -> Array:
    """16,384 Halton points of a box, (n, d)."""
    low, high = np.array(bounds).T
    points: Array = low + (high - low) * qmc.Halton(len(bounds), scramble=False).random(TRIALS)
    return points


def directions(d: int) -> Array:
    """Unit vectors all around, (n, d), along none of the axes or diagonals."""
    if d == 1:
        return np.array([[-1.0], [1.0]])
    around = np.random.Generator(np.random.PCG64(0)).normal(size=(8 * 2**d, d))
    found: Array = around / np.linalg.norm(around, axis=1, keepdims=True)
    return found
