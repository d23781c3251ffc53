"""SoftAdapt: weights from the rates of change of the losses."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import Weighting, softmax_weights
from lightning_autobalance.shapes import Losses


@final
class SoftAdapt(Weighting):
    r"""SoftAdapt: more weight for losses that increase.

    .. math:: w_i = m \operatorname{softmax}_i(\beta s), \quad s_i = L_i(t) - L_i(t - 1)

    Args:
        beta: Strength of the preference; negative values favour losses that decrease.
        normalized: Divide s by the sum of its absolute values, so that the losses' scale does not matter.
        loss_weighted: Multiply each exponential by its loss.

    Raises:
        ValueError: If ``beta`` is not finite.

    Reference:
        Heydari, Thompson, Mehmood, 2019, "SoftAdapt", sections 3.1.1 to 3.1.3.

    Note:
        s is the difference of two consecutive steps; the authors' package offers higher orders. Its weights sum to 1,
        these to m; it normalizes by the plain sum, which may be zero or negative. Weights are 1 in the first step. NaN
        in s counts as 0.
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
        """Softmax of the changes since the previous step."""
        change = view.losses - self.last.to(view.losses) if len(self.last) else None
        self.last = view.losses.clone()
        if change is None:
            return torch.ones_like(view.losses)
        if self.normalized:
            change = change / change.abs().sum()
        logits = torch.nan_to_num(self.beta * change, nan=0.0)
        return softmax_weights(logits + view.losses.log() if self.loss_weighted else logits)
