"""Base classes of the aggregators."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import Balancer
from lightning_autobalance.shapes import Gradient, Gramian, Jacobian, Losses


class Aggregator(Balancer):
    """Combines one gradient per loss term into the single gradient that a torch optimizer uses."""

    of_log_losses: bool = False
    """Whether ``forward`` receives the gradients of the losses' logarithms, :math:`J_i / L_i`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "asks" in cls.__dict__:
            warnings.warn(f"`asks` of {cls.__name__} is now `rows_needed`.", DeprecationWarning, stacklevel=2)
            cls.rows_needed = cls.__dict__["asks"]  # type: ignore[method-assign]

    @abstractmethod
    def forward(self, jacobian: Jacobian) -> Gradient:
        """Combine the rows.

        Args:
            jacobian: Row i is the gradient of loss term i, (m, n).

        Returns:
            The combined gradient, (n,).
        """

    def rows_needed(self, m: int) -> Sequence[int]:
        """The rows of J that the next step uses: all by default. The others may then be left zero to save time.

        Args:
            m: Number of loss terms.
        """
        return range(m)


class GramianAggregator(Aggregator):
    r"""An aggregator whose gradient is :math:`\sum_i w_i J_i` with weights that depend on :math:`K = J J^T` alone.

    The m x m algebra is done in float64 on the CPU, whatever the network's type and device: norms of PINN gradients
    differ by factors of 1e3 and more, and K squares them. Rows that are zero or not finite are left out and get weight
    0; if none is left, the gradient is zero.
    """

    def forward(self, jacobian: Jacobian) -> Gradient:
        """The weighted sum of the rows: (m, n) to (n,)."""
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
    """Which rows of the latest step have a finite, non-zero norm, (m,)."""

    @abstractmethod
    def weigh(self, gram: Gramian) -> Losses:
        """The weights of the rows, (m,).

        Args:
            gram: Inner products of the usable rows, none of them zero, in float64 on the CPU, (m, m).
        """
