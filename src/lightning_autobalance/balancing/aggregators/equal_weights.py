"""The baseline of every comparison: the plain sum."""

from typing import final

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.shapes import Gradient, Jacobian


@final
class EqualWeights(Aggregator):
    r"""Sum of the terms' gradients (EW): what one backward pass through the summed loss gives.

    .. math:: g = \sum_i J_i
    """

    def forward(self, jacobian: Jacobian) -> Gradient:
        """Sum the rows: (m, n) to (n,)."""
        return jacobian.sum(dim=0)
