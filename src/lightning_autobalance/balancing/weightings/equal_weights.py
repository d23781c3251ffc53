"""Equal weights: the plain sum, the baseline of every comparison."""

from typing import final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import Weighting
from lightning_autobalance.shapes import Losses


@final
class EqualWeights(Weighting):
    r"""Equal weights (EW): the gradient is that of the summed loss, :math:`g = \sum_i J_i`.

    Note:
        The module's fixed ``weights`` still apply: they are part of the losses.
    """

    def forward(self, view: StepView) -> Losses:
        """1 for every term."""
        return torch.ones_like(view.losses)
