"""ConFIG: one direction at equal angles to all gradients."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import equal_cosines, unit
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class ConFIG(GramianAggregator):
    r"""Conflict-free gradient: the direction with the same cosine to every term, as long as all projections together.

    .. math:: e = \frac{x}{\|x\|}, \quad x = U^+ 1, \quad g = \Bigl( \sum_i J_i \cdot e \Bigr) e

    with the unit gradients as rows of U. For two terms :math:`x \propto u_1 + u_2`. Of opposite gradients it is zero.

    Reference:
        Liu, Chu and Thuerey, ConFIG, ICLR 2025.

    Note:
        From inner products in float64, so that neither TorchJD nor conflictfree is needed; the latter's form for two
        terms is 0/0 for parallel gradients.
    """

    def weigh(self, gram: Gramian) -> Losses:
        """Weights of the rows whose sum is the conflict-free gradient."""
        return config_weights(gram)


def config_weights(gram: Gramian) -> Losses:
    """The weights of `ConFIG`.

    Args:
        gram: Inner products of rows of which none is zero, (m, m).

    Returns:
        One per row, (m,).
    """
    cosines, norms = unit(gram)
    q = equal_cosines(cosines)
    projections = cosines @ q
    square = q @ projections
    if square <= 1e-14 * (q @ q):
        return torch.zeros_like(q)
    return (norms @ projections) / square * q / norms
