"""Adapter for the aggregators of TorchJD."""

from typing import final

import torch
from torch import nn

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.shapes import Gradient, Jacobian


@final
class FromTorchJD(Aggregator):
    """An aggregator of TorchJD, run in float64: for methods that are not here, such as FairGrad, GradDrop or Krum.

    Args:
        aggregator: An object of ``torchjd.aggregation``, which needs ``pip install "lightning-autobalance[torchjd]"``.

    Raises:
        TypeError: If it is not a module.

    Note:
        Read its documentation: some aggregators behave differently if the squared norm of J is below 1e-4
        (``norm_eps``), some need additional solvers, and some have state that checkpoints do not contain.
    """

    def __init__(self, aggregator: nn.Module) -> None:
        super().__init__()
        if not isinstance(aggregator, nn.Module):
            raise TypeError(f"`aggregator` must be an aggregator of TorchJD, got {type(aggregator).__name__}.")
        self.aggregator = aggregator

    def forward(self, jacobian: Jacobian) -> Gradient:
        """TorchJD's gradient: (m, n) to (n,)."""
        gradient: Gradient = self.aggregator(jacobian.to(torch.float64)).to(jacobian.dtype)
        return gradient
