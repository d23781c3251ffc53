"""Algebra of a few rows, from their inner products alone: float64, on the CPU."""

from itertools import combinations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from lightning_autobalance.shapes import Gramian, Losses

FACES = 6  # up to so many rows every face of the simplex is tried; more than 63 systems would take a millisecond


def unit(gram: Gramian) -> tuple[Tensor, Tensor]:
    r"""Cosines and norms.

    Args:
        gram: Inner products K of rows of which none is zero, (m, m).

    Returns:
        :math:`K_{ij} / (n_i n_j)`, (m, m), and the norms :math:`n_i = \sqrt{K_{ii}}`, (m,).
    """
    norms = gram.diagonal().sqrt()
    return gram / torch.outer(norms, norms), norms


def equal_cosines(cosines: Gramian) -> Losses:
    r"""Weights q of unit rows whose sum makes the same angle with all: :math:`U q = 1`, of least norm.

    Args:
        cosines: Inner products U of unit rows, (m, m).

    Returns:
        One per row, (m,). For two rows (1, 1), whatever the angle.
    """
    ones = torch.ones(len(cosines), dtype=cosines.dtype)
    return ones if len(ones) <= 2 else torch.linalg.pinv(cosines, hermitian=True) @ ones


def cone_weights(cosines: Gramian, target: Losses) -> Losses:
    r"""The least y >= 0 by which target rows must be changed to conflict with none: projection on the dual cone.

    .. math:: \arg\min_{y \ge 0} (t + y)^T U (t + y)

    Args:
        cosines: Inner products U of unit rows, (m, m).
        target: t, weights of the unit rows, (m,).

    Returns:
        y, (m,).
    """
    values, vectors = torch.linalg.eigh(cosines)
    root = (vectors * values.clamp(min=0.0).sqrt()) @ vectors.T
    found, _ = nnls(root.numpy(), -(root @ target).numpy())
    return torch.from_numpy(found)


def least_norm(gram: Gramian) -> Losses:
    r"""The convex combination of least norm, :math:`\arg\min_{a \in \Delta} a^T K a`, exactly.

    Args:
        gram: Inner products K of rows of which none is zero, (m, m).

    Returns:
        a, (m,).
    """
    m = len(gram)
    if m == 2:
        return _least_norm_of_two(gram)
    if m > FACES:
        return _least_norm_of_many(gram)
    best, least = torch.ones(m, dtype=gram.dtype) / m, float("inf")
    for size in range(1, m + 1):
        for face in combinations(range(m), size):
            found = _stationary(gram, list(face))
            value = float(found @ gram @ found)
            if bool((found >= 0).all()) and value < least * (1 - 1e-12):
                best, least = found, value
    return best


def _least_norm_of_two(gram: Gramian) -> Losses:
    a, b, c = float(gram[0, 0]), float(gram[0, 1]), float(gram[1, 1])
    first = 1.0 if b >= a else 0.0 if b >= c else (c - b) / (a + c - 2 * b)
    return torch.tensor([first, 1 - first], dtype=gram.dtype)


def _stationary(gram: Gramian, face: list[int]) -> Losses:
    """The stationary point on the plane of a face; its entries may be negative."""
    found = torch.zeros(len(gram), dtype=gram.dtype)
    cosines, norms = unit(gram[face][:, face])
    inverse = norms.min() / norms
    bordered = torch.zeros(len(face) + 1, len(face) + 1, dtype=gram.dtype)
    bordered[:-1, :-1], bordered[:-1, -1], bordered[-1, :-1] = cosines, inverse, inverse
    right = torch.zeros(len(face) + 1, 1, dtype=gram.dtype)
    right[-1] = 1.0
    solution = torch.linalg.lstsq(bordered, right, driver="gelsd").solution[:-1, 0] * inverse
    found[face] = solution / solution.sum()
    return found.nan_to_num(-1.0)  # no such point: not feasible


def _least_norm_of_many(gram: Gramian) -> Losses:
    # Lawson and Hanson: the least u >= 0 of |A u|^2 + (sum u - 1)^2 points to the convex combination of least norm.
    values, vectors = torch.linalg.eigh(gram / gram.diagonal().min())
    root = (vectors * values.clamp(min=0.0).sqrt()) @ vectors.T
    stacked = np.vstack([root.numpy(), np.ones(len(gram))])
    found, _ = nnls(stacked, np.append(np.zeros(len(gram)), 1.0))
    return torch.from_numpy(found / found.sum())
