"""IMTL-G: equal projections onto all gradients."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import cosines_and_norms, equal_angle_weights
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class IMTLG(GramianAggregator):
    r"""Impartial multi-task learning: a sum with equal projections onto all terms' directions.

    .. math:: g = \sum_i a_i J_i, \quad \sum_i a_i = 1, \quad g \cdot \frac{J_i}{\|J_i\|} \text{ equal for all } i

    For two terms :math:`a_i \propto 1 / \|J_i\|`.

    Reference:
        Liu et al., Towards Impartial Multi-task Learning, ICLR 2021.

    Note:
        Computed from the cosines. TorchJD uses the Gram matrix, whose pseudo-inverse drops the smaller of two float32
        gradients if their norms differ by a factor of 2,000 or more. Weights may be negative from three terms on; if
        they cannot be scaled to sum to 1, the gradient is zero.
    """

    def weigh(self, gram: Gramian) -> Losses:
        """The impartial weights."""
        cosines, norms = cosines_and_norms(gram)
        weights = equal_angle_weights(cosines) / norms
        total = weights.sum()
        return weights / total if abs(total) > 1e-12 * weights.abs().sum() else torch.zeros_like(weights)
