"""Faces whose points are found by rejection, for domains that know only which points they contain."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from lightning_autobalance.points.face import Face, accepted, where
from lightning_autobalance.points.rounding import Array, Bounds

TRIALS = 2**14  # candidates that estimate a rate
Contains = Callable[[Array], NDArray[np.bool_]]


def in_bounds(bounds: Bounds, contains: Contains, measure: float | None = None) -> Face:
    """The interior of a domain, from its bounding box.

    Args:
        bounds: (low, high) per coordinate.
        contains: Which points lie in the domain, (n, d) to (n,).
        measure: Of the domain, if it is known; estimated otherwise.

    Raises:
        ValueError: If none of 16,384 points of the box lie in it.
    """
    volume = prod(high - low for low, high in bounds)
    place = _InBounds(bounds, contains)
    rate = measure / volume if measure is not None else rate_of(place, len(bounds))
    if rate == 0:
        raise ValueError(
            f"`contains` must hold for some points within `bounds`, {bounds}, got none of {TRIALS}. Is the domain "
            "empty, or far smaller than its bounding box?"
        )
    return Face(len(bounds), place, measure=rate * volume, weight=rate * volume, rate=rate)


def members(contains: Contains, points: Array) -> NDArray[np.bool_]:
    """Which points a domain contains, if it says so as it must.

    Args:
        contains: (n, d) to (n,).
        points: (n, d).

    Raises:
        ValueError: If the answer is not an array of booleans, one per point.
    """
    found = contains(points)
    if not isinstance(found, np.ndarray) or found.dtype != bool or found.shape != (len(points),):
        kind = f"{type(found).__name__} of {found.dtype}" if hasattr(found, "dtype") else type(found).__name__
        raise ValueError(
            f"`contains` must give an array of booleans of NumPy, shape ({len(points)},) for points of shape "
            f"{points.shape}, got {kind} of shape {tuple(np.shape(found))}. Take columns as `points[:, 0]`."
        )
    return found


def rate_of(place: Callable[[Tensor], Tensor], dim: int) -> float:
    """Share of the unit cube that a map accepts, from 16,384 Halton points.

    Args:
        place: (n, dim) to (n, d), with rows of NaN where it rejects.
        dim: Of the cube.
    """
    unit = qmc.Halton(dim, scramble=False).random(TRIALS)
    return float(accepted(place(torch.from_numpy(unit))).double().mean())


@dataclass(frozen=True)
class _InBounds:
    bounds: Bounds
    contains: Contains

    def __call__(self, unit: Tensor) -> Tensor:
        low, high = unit.new_tensor(self.bounds).T
        points = low + (high - low) * unit
        return where(torch.from_numpy(members(self.contains, points.numpy())), points)
