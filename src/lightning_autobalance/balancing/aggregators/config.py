"""ConFIG: the direction with equal angles to all gradients."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import cosines_and_norms, equal_angle_weights
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class ConFIG(GramianAggregator):
    r"""Conflict-free gradient: the direction with the same cosine to every term, scaled by the sum of all projections.

    .. math:: e = \frac{x}{\|x\|}, \quad x = U^+ 1, \quad g = \Bigl( \sum_i J_i \cdot e \Bigr) e

    with the unit gradients as rows of U. For two terms :math:`x \propto u_1 + u_2`; for opposite gradients g is zero.

    Reference:
        Liu, Chu and Thuerey, ConFIG, ICLR 2025.

    Note:
        Computed from inner products in float64. The closed form of conflictfree for two terms is 0/0 for parallel
        gradients.
    """

    def weigh(self, gram: Gramian) -> Losses:
        """Weights of the rows whose sum is the conflict-free gradient."""
        return config_weights(gram)


def config_weights(gram: Gramian) -> Losses:
    """The weights of the rows in `ConFIG`, (m,).

    Args:
        gram: Inner products of non-zero rows, (m, m).
    """
    cosines, norms = cosines_and_norms(gram)
    q = equal_angle_weights(cosines)
    projections = cosines @ q
    square = q @ projections
    if square <= 1e-14 * (q @ q):
        return torch.zeros_like(q)
    return (norms @ projections) / square * q / norms
