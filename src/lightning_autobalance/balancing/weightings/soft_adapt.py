"""Weights from the slopes of losses."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import Weighting, softmax_weights
from lightning_autobalance.shapes import Losses


@final
class SoftAdapt(Weighting):
    r"""SoftAdapt: more weight for losses that grow.

    .. math:: w_i = m \operatorname{softmax}_i(\beta s), \quad s_i = L_i(t) - L_i(t - 1)

    Args:
        beta: How strongly; negative favours losses that fall.
        normalized: Divide s by the sum of its absolute values, so that the losses' scale does not matter.
        loss_weighted: Multiply each exponential by its loss.

    Raises:
        ValueError: If ``beta`` is not finite.

    Reference:
        Heydari, Thompson, Mehmood, 2019, "SoftAdapt", sections 3.1.1 to 3.1.3.

    Note:
        Slopes are differences of two steps; the authors' package offers longer ones. It makes weights add up to 1, here
        to m, and normalises by the plain sum, which may be zero or negative. Weights are 1 in the first step. A slope
        that is NaN counts as 0.
    """

    last: Tensor

    def __init__(self, beta: float = 0.1, normalized: bool = False, loss_weighted: bool = False) -> None:
        super().__init__()
        if not abs(beta) < float("inf"):
            raise ValueError(f"`beta` must be finite, got {beta}.")
        self.beta = beta
        self.normalized = normalized
        self.loss_weighted = loss_weighted
        self.register_buffer("last", torch.empty(0))

    def forward(self, view: StepView) -> Losses:
        """Softmax of the slopes."""
        slopes = view.losses - self.last.to(view.losses) if len(self.last) else None
        self.last = view.losses.clone()
        if slopes is None:
            return torch.ones_like(view.losses)
        if self.normalized:
            slopes = slopes / slopes.abs().sum()
        logits = torch.nan_to_num(self.beta * slopes, nan=0.0)
        return softmax_weights(logits + view.losses.log() if self.loss_weighted else logits)
