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
    """Who lies near whom; padded, so that an average is one lookup and one sum, in the same order every time.

    Args:
        places: Neighbours of each of q places among b points, (q, n).
        share: Their weights; rows add up to 1, padding has 0, (q, n).
    """

    places: Tensor
    share: Tensor

    def average(self, values: Tensor) -> Tensor:
        """The mean over each place's neighbours.

        Args:
            values: At the points, (t, b).

        Returns:
            At the places, (t, q).
        """
        return (values[:, self.places] * self.share.to(values)).sum(dim=-1)


Bounds = tuple[tuple[float, float], ...]
Array = NDArray[np.float64]


def find_neighbours(places: Tensor, points: Points, bounds: Bounds, radius: float) -> Neighbours:
    """Points within a radius of places, in coordinates scaled to the unit cube; the nearest where there is none.

    Args:
        places: (q, d).
        points: (b, d).
        bounds: Of the domain.
        radius: In the unit cube.
    """
    tree, targets = cKDTree(_unit(points, bounds)), _unit(places, bounds)
    nearest = tree.query(targets)[1]
    found = tree.query_ball_point(targets, radius, return_sorted=True)
    rows = [row if row else [int(nearest[i])] for i, row in enumerate(found)]
    shape = len(rows), max(len(row) for row in rows)
    index, share = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    for i, row in enumerate(rows):
        index[i, : len(row)], share[i, : len(row)] = row, 1 / len(row)
    return Neighbours(torch.as_tensor(index, device=points.device), torch.as_tensor(share, device=points.device))


def local_means(points: Points, values: Tensor, bounds: Bounds, radius: float) -> Tensor:
    """The same average where places and points are the same and many.

    Args:
        points: (b, d).
        values: At the points, (t, b).
        bounds: Of the domain.
        radius: In the unit cube.

    Returns:
        (t, b).
    """
    i, j = cKDTree(_unit(points, bounds)).query_pairs(radius, output_type="ndarray").T
    into, of = np.concatenate([i, j]), np.concatenate([j, i])
    count = 1 + np.bincount(into, minlength=len(points))
    rows = values.detach().cpu().double().numpy()
    means = [(row + np.bincount(into, weights=row[of], minlength=len(points))) / count for row in rows]
    return torch.as_tensor(np.stack(means)).to(values)


def radius_for(wanted: float, count: int, d: int) -> float:
    r"""The radius of a ball in the unit cube that holds so many of ``count`` uniform points, :math:`V_d h^d b = n`.

    Args:
        wanted: n.
        count: b.
        d: Dimensions.
    """
    ball = pi ** (d / 2) / gamma(d / 2 + 1)
    return float((wanted / (ball * count)) ** (1 / d))


def _unit(x: Points, bounds: Bounds) -> Array:
    low, high = np.array(bounds, dtype=np.float64).T
    scaled: Array = (x.detach().cpu().double().numpy() - low) / (high - low)
    return scaled
