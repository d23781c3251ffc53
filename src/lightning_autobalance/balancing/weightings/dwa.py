"""DWA, dynamic weight averaging: weights from the relative decrease of the losses over windows of steps."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import (
    Weighting,
    ratio,
    softmax_weights,
)
from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.arguments import check_at_least, check_positive


@final
class DWA(Weighting):
    r"""Dynamic weight averaging (DWA): more weight for losses that decrease slowly.

    .. math:: w_i = m \operatorname{softmax}_i(r / T), \quad r_i = \bar L_i(t - 1) / \bar L_i(t - 2)

    with :math:`\bar L(t)` the mean loss over window t. Weights are 1 in the first two windows.

    Args:
        window: Steps per window; 1 is the paper's definition for full batches, where r is close to 1.
        temperature: T; larger values give more equal weights.

    Raises:
        ValueError: If a number is out of its range.

    Reference:
        Liu, Johns, Davison, 2019, "End-to-end multi-task learning with attention", equation 7.

    Note:
        The paper's window is an epoch of mini-batches, which PINNs do not have. A ratio of 0 / 0 or NaN counts as 1; a
        positive loss after a loss of zero gets all the weight.
    """

    total: Tensor
    last: Tensor
    before_last: Tensor

    def __init__(self, window: int = 100, temperature: float = 2.0) -> None:
        super().__init__()
        check_at_least("window", window, 1)
        check_positive("temperature", temperature)
        self.window = window
        self.temperature = temperature
        for name in ("total", "last", "before_last"):
            self.register_buffer(name, torch.empty(0))

    def forward(self, view: StepView) -> Losses:
        """Softmax of the ratios of the last two complete windows."""
        if view.step % self.window == 0 and len(self.total):
            self.before_last, self.last = self.last, self.total / self.window
            self.total = torch.zeros_like(self.total)
        self.total = self.remembered("total", view.losses, 0.0) + view.losses
        if len(self.before_last) == 0:
            return torch.ones_like(view.losses)
        change = ratio(self.last.to(view.losses), self.before_last.to(view.losses))
        return softmax_weights(change / self.temperature)
