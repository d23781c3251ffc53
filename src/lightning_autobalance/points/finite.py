"""Draws without repetition from finite sets."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from lightning_autobalance.points.rounding import Array
from lightning_autobalance.shapes import Points

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """Maps equal pieces of [0, 1] to points, one each.

    Args:
        points: (m, d).
    """

    points: Tensor

    def __call__(self, unit: Tensor) -> Tensor:
        """Numbers, (n, 1), to points, (n, d)."""
        index = (unit[:, 0] * len(self.points)).long().clamp(max=len(self.points) - 1)
        return self.points.to(unit)[index]


def distinct(unit: Array, size: int) -> Indices:
    """Different whole numbers below ``size``; all choices are as likely where the given numbers are independent.

    A number in the i-th of ``size`` equal pieces chooses i, so that a regular grid, Latin hypercubes and Sobol points
    stay spread out. One whose piece is taken goes to a free one, by its place within the piece.

    Args:
        unit: Numbers in [0, 1), (n,), n at most ``size``.
        size: How many there are to choose from.

    Returns:
        (n,).
    """
    scaled = unit * size
    index: Indices = np.minimum(scaled.astype(np.int64), size - 1)
    repeated = np.ones(len(index), dtype=bool)
    repeated[np.unique(index, return_index=True)[1]] = False
    if repeated.any():
        free = np.setdiff1d(np.arange(size), index)
        index[repeated] = _shuffled(free, (scaled - index)[repeated])
    return index


def _shuffled(items: Indices, unit: Array) -> Indices:
    """The first items of a shuffle by Fisher and Yates, one per number in [0, 1)."""
    last = len(items) - 1
    for i, u in enumerate(unit.tolist()):
        j = min(i + int(u * (last + 1 - i)), last)
        items[i], items[j] = items[j], items[i]
    return items[: len(unit)]


class Nearest:
    """Finds the nearest of some places: by a tree, or by all distances where numbers may not leave torch.

    Args:
        places: (m, d).
        most: Distances computed at once, on a GPU and in compiled code.
    """

    def __init__(self, places: Array, most: int = 2**22) -> None:
        self.tree = cKDTree(places)
        self.places = torch.from_numpy(places)
        self.most = most

    def __call__(self, x: Points) -> Tensor:
        """The index of the place nearest to each point; any for one that is not finite, as by distances.

        Args:
            x: (b, d).

        Returns:
            (b,).
        """
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            return torch.from_numpy(self.tree.query(x.detach().double().nan_to_num().numpy())[1])
        return self.by_distances(x)

    def by_distances(self, x: Points) -> Tensor:
        """The same by operations of torch."""
        places = self.places.to(x)
        rows = torch.split(x.detach(), max(1, self.most // len(places)))
        exact = "donot_use_mm_for_euclid_dist"  # by products, float32 would confuse neighbours
        return torch.cat([torch.cdist(r, places, compute_mode=exact).argmin(dim=1) for r in rows])
