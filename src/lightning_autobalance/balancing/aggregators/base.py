"""What every pre-combine aggregator is."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import Balancer
from lightning_autobalance.shapes import Gradient, Gramian, Jacobian, Losses


class Aggregator(Balancer):
    """Turns one gradient per loss term into the one gradient that a torch optimizer steps along."""

    of_log_losses: bool = False
    """Whether the rows shall be gradients of the losses' logarithms."""

    @abstractmethod
    def forward(self, jacobian: Jacobian) -> Gradient:
        """Combine the rows.

        Args:
            jacobian: Row i is the gradient of loss term i, (m, n).

        Returns:
            The combined gradient, (n,).
        """

    def asks(self, count: int) -> Sequence[int]:
        """The rows that the next step needs; others may be zero then. All of them, for most.

        Args:
            count: Number of loss terms.
        """
        return range(count)


class GramianAggregator(Aggregator):
    r"""An aggregator whose gradient is :math:`\sum_i w_i J_i` with weights that follow from :math:`K = J J^T` alone.

    The algebra of m x m numbers is done in float64 on the CPU, whatever the network's type and device: norms of PINN
    gradients differ by factors of 1e3 and more, and K squares them. Rows that are zero, or hold a NaN or an infinite
    number, are left out and get weight 0; where none is left, the gradient is zero.
    """

    def forward(self, jacobian: Jacobian) -> Gradient:
        """Weigh the rows: (m, n) to (n,)."""
        rows = jacobian.to(torch.float64)
        gram = (rows @ rows.T).cpu()
        usable = torch.isfinite(gram.diagonal()) & (gram.diagonal() > 0)
        self.usable = usable
        weights = torch.zeros(len(jacobian), dtype=torch.float64)
        if usable.any():
            weights[usable] = self.weigh(gram[usable][:, usable])
        self.weights = weights
        kept = usable.to(jacobian.device)
        return weights.to(jacobian)[kept] @ jacobian[kept]

    usable: Tensor
    """Which rows of the latest step are neither zero nor without a finite norm, (m,)."""

    @abstractmethod
    def weigh(self, gram: Gramian) -> Losses:
        """The weights.

        Args:
            gram: Inner products of the rows in float64 on the CPU, none of them zero, (m, m).

        Returns:
            One weight per row, (m,).
        """
