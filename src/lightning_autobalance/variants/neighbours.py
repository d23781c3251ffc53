"""Averages over neighbouring points."""

from math import gamma, pi
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from lightning_autobalance.shapes import Points


class Neighbours(NamedTuple):
    """The neighbours of q places among b points.

    Padded to the largest number n of neighbours, so that an average is one lookup and one sum, whose order is the same
    every time.

    Args:
        indices: Indices of each place's neighbours, (q, n).
        shares: Weights of the neighbours, (q, n). Each row sums to 1, padding has 0.
    """

    indices: Tensor
    shares: Tensor

    def average(self, values: Tensor) -> Tensor:
        """The mean over each place's neighbours, (t, q).

        Args:
            values: At the points, (t, b).
        """
        return (values[:, self.indices] * self.shares.to(values)).sum(dim=-1)


Bounds = tuple[tuple[float, float], ...]
Array = NDArray[np.float64]


def find_neighbours(places: Tensor, points: Points, bounds: Bounds, radius: float) -> Neighbours:
    """The points within a radius of each place, or the nearest point where there is none.

    Args:
        places: (q, d).
        points: (b, d).
        bounds: Lower and upper bound of each coordinate, which are scaled to [0, 1].
        radius: In scaled coordinates.
    """
    tree, targets = cKDTree(_to_unit_cube(points, bounds)), _to_unit_cube(places, bounds)
    nearest = tree.query(targets)[1]
    found = tree.query_ball_point(targets, radius, return_sorted=True)
    rows = [row if row else [int(nearest[i])] for i, row in enumerate(found)]
    shape = len(rows), max(len(row) for row in rows)
    indices, shares = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    for i, row in enumerate(rows):
        indices[i, : len(row)], shares[i, : len(row)] = row, 1 / len(row)
    return Neighbours(torch.as_tensor(indices, device=points.device), torch.as_tensor(shares, device=points.device))


def local_means(points: Points, values: Tensor, bounds: Bounds, radius: float) -> Tensor:
    """The same averages at the points themselves, (t, b), in less memory: for many points.

    Args:
        points: (b, d).
        values: At the points, (t, b).
        bounds: Lower and upper bound of each coordinate, which are scaled to [0, 1].
        radius: In scaled coordinates.
    """
    i, j = cKDTree(_to_unit_cube(points, bounds)).query_pairs(radius, output_type="ndarray").T
    target, source = np.concatenate([i, j]), np.concatenate([j, i])
    count = 1 + np.bincount(target, minlength=len(points))
    rows = values.detach().cpu().double().numpy()
    means = [(row + np.bincount(target, weights=row[source], minlength=len(points))) / count for row in rows]
    return torch.as_tensor(np.stack(means)).to(values)


def radius_for(neighbours: float, count: int, d: int) -> float:
    r"""The radius h of a ball in the unit cube that holds n of b uniform points on average, :math:`V_d h^d b = n`.

    Args:
        neighbours: n.
        count: b.
        d: Number of coordinates.
    """
    unit_ball = pi ** (d / 2) / gamma(d / 2 + 1)
    return float((neighbours / (unit_ball * count)) ** (1 / d))


def _to_unit_cube(x: Points, bounds: Bounds) -> Array:
    low, high = np.array(bounds, dtype=np.float64).T
    size = np.where(high > low, high - low, 1.0)  # a cloud of points may be flat
    scaled: Array = (x.detach().cpu().double().numpy() - low) / size
    return scaled
