"""Which points of a file lie outside a domain."""

import numpy as np
from numpy.typing import NDArray

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.rounding import Array

ROUNDING = 1e-6  # of the bounding box: as much as numbers in a file may be rounded


def outside(domain: Domain, points: Array) -> NDArray[np.bool_]:
    """Which points lie outside a domain by more than what rounds the numbers in a file.

    Args:
        domain: The domain.
        points: (n, d).

    Returns:
        (n,).
    """
    low, high = np.array(domain.bounds).T
    shift = ROUNDING * (high - low)
    clipped = points.clip(low, high)
    near = np.where(np.abs(points - clipped) <= shift, clipped, points)
    found = ~domain.contains(near)
    for step in (*np.diag(shift), *np.diag(-shift)):
        rows = np.flatnonzero(found)
        if len(rows):
            found[rows] = ~domain.contains(near[rows] + step)
    return found
