"""Any aggregator of TorchJD."""

from typing import final

import torch
from torch import nn

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.shapes import Gradient, Jacobian


@final
class FromTorchJD(Aggregator):
    """An aggregator of TorchJD, fed in float64, for methods that are not here, such as FairGrad, GradDrop or Krum.

    Args:
        aggregator: An object of ``torchjd.aggregation``, which needs ``pip install "lightning-autobalance[torchjd]"``.

    Raises:
        TypeError: If it is no module.

    Note:
        Read its documentation: some of its aggregators change behaviour where the squared norm of J is below 1e-4
        (``norm_eps``), some need solvers of their own, and some keep state that a checkpoint does not hold.
    """

    def __init__(self, aggregator: nn.Module) -> None:
        super().__init__()
        if not isinstance(aggregator, nn.Module):
            raise TypeError(f"`aggregator` must be an aggregator of TorchJD, got {type(aggregator).__name__}.")
        self.aggregator = aggregator

    def forward(self, jacobian: Jacobian) -> Gradient:
        """What TorchJD makes of the rows: (m, n) to (n,)."""
        gradient: Gradient = self.aggregator(jacobian.to(torch.float64)).to(jacobian.dtype)
        return gradient
