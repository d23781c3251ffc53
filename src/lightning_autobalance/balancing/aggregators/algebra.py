"""Linear algebra on the m x m inner products of the rows of J, in float64 on the CPU."""

from itertools import combinations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from lightning_autobalance.shapes import Gramian, Losses

MAX_ENUMERATED = 6  # rows up to which all faces of the simplex are tried: 63 small systems, about a millisecond


def cosines_and_norms(gram: Gramian) -> tuple[Tensor, Tensor]:
    r"""Cosines of the angles between rows, and the norms of the rows.

    Args:
        gram: Inner products K of non-zero rows, (m, m).

    Returns:
        :math:`K_{ij} / (n_i n_j)`, (m, m), and the norms :math:`n_i = \sqrt{K_{ii}}`, (m,).
    """
    norms = gram.diagonal().sqrt()
    return gram / torch.outer(norms, norms), norms


def equal_angle_weights(cosines: Gramian) -> Losses:
    r"""Weights q of unit rows such that their sum has the same angle to every row: :math:`U q = 1`, of least norm.

    Args:
        cosines: Inner products U of unit rows, (m, m).

    Returns:
        q, (m,). For two rows (1, 1), up to a factor, whatever the angle.
    """
    ones = torch.ones(len(cosines), dtype=cosines.dtype)
    return ones if len(ones) <= 2 else torch.linalg.pinv(cosines, hermitian=True) @ ones


def dual_cone_weights(cosines: Gramian, target: Losses) -> Losses:
    r"""Projection of a combination of rows onto their dual cone, the vectors that conflict with no row.

    .. math:: \arg\min_{y \ge 0} (t + y)^T U (t + y)

    Args:
        cosines: Inner products U of unit rows, (m, m).
        target: t, weights of the unit rows, (m,).

    Returns:
        y, (m,): the projection is the combination t + y.
    """
    values, vectors = torch.linalg.eigh(cosines)
    root = (vectors * values.clamp(min=0.0).sqrt()) @ vectors.T
    found, _ = nnls(root.numpy(), -(root @ target).numpy())
    return torch.from_numpy(found)


def min_norm_weights(gram: Gramian) -> Losses:
    r"""Weights of the convex combination of least norm, :math:`\arg\min_{a \in \Delta} a^T K a`, solved exactly.

    Args:
        gram: Inner products K of non-zero rows, (m, m).

    Returns:
        a, (m,).
    """
    m = len(gram)
    if m == 2:
        return _min_norm_of_two(gram)
    if m > MAX_ENUMERATED:
        return _min_norm_of_many(gram)
    best, least = torch.ones(m, dtype=gram.dtype) / m, float("inf")
    for size in range(1, m + 1):
        for face in combinations(range(m), size):
            found = _stationary_point(gram, list(face))
            value = float(found @ gram @ found)
            if bool((found >= 0).all()) and value < least * (1 - 1e-12):
                best, least = found, value
    return best


def _min_norm_of_two(gram: Gramian) -> Losses:
    a, b, c = float(gram[0, 0]), float(gram[0, 1]), float(gram[1, 1])
    first = 1.0 if b >= a else 0.0 if b >= c else (c - b) / (a + c - 2 * b)
    return torch.tensor([first, 1 - first], dtype=gram.dtype)


def _stationary_point(gram: Gramian, face: list[int]) -> Losses:
    """The stationary point in the affine hull of a face; its entries may be negative."""
    found = torch.zeros(len(gram), dtype=gram.dtype)
    cosines, norms = cosines_and_norms(gram[face][:, face])
    inverse = norms.min() / norms
    bordered = torch.zeros(len(face) + 1, len(face) + 1, dtype=gram.dtype)
    bordered[:-1, :-1], bordered[:-1, -1], bordered[-1, :-1] = cosines, inverse, inverse
    right = torch.zeros(len(face) + 1, 1, dtype=gram.dtype)
    right[-1] = 1.0
    solution = torch.linalg.lstsq(bordered, right, driver="gelsd").solution[:-1, 0] * inverse
    found[face] = solution / solution.sum()
    return found.nan_to_num(-1.0)  # no stationary point: infeasible


def _min_norm_of_many(gram: Gramian) -> Losses:
    # Lawson and Hanson: the minimizer u >= 0 of |A u|^2 + (sum u - 1)^2 is a multiple of the weights of least norm.
    values, vectors = torch.linalg.eigh(gram / gram.diagonal().min())
    root = (vectors * values.clamp(min=0.0).sqrt()) @ vectors.T
    stacked = np.vstack([root.numpy(), np.ones(len(gram))])
    found, _ = nnls(stacked, np.append(np.zeros(len(gram)), 1.0))
    return torch.from_numpy(found / found.sum())
