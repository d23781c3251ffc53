"""IMTL-G: equal projections on all gradients."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import equal_cosines, unit
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class IMTLG(GramianAggregator):
    r"""Impartial multi-task learning: a sum with the same projection on every term's direction.

    .. math:: g = \sum_i a_i J_i, \quad \sum_i a_i = 1, \quad g \cdot \frac{J_i}{\|J_i\|} \text{ equal for all } i

    For two terms :math:`a_i \propto 1 / \|J_i\|`.

    Reference:
        Liu et al., Towards Impartial Multi-task Learning, ICLR 2021.

    Note:
        From the cosines, not from the Gram matrix as TorchJD does: its pseudo-inverse drops the smaller of two float32
        gradients when their norms differ by 2,000 and more. Weights may be negative from three terms on; where they
        cannot be scaled to the sum 1, the gradient is zero.
    """

    def weigh(self, gram: Gramian) -> Losses:
        """The impartial weights."""
        cosines, norms = unit(gram)
        found = equal_cosines(cosines) / norms
        total = found.sum()
        return found / total if abs(total) > 1e-12 * found.abs().sum() else torch.zeros_like(found)
