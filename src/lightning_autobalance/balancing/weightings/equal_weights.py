"""The baseline of every comparison: the plain sum."""

from typing import final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import Weighting
from lightning_autobalance.shapes import Losses


@final
class EqualWeights(Weighting):
    r"""Equal weights (EW): the gradient is that of the summed loss, :math:`g = \sum_i J_i`.

    Note:
        The module's fixed ``weights`` count before: where a configuration names some, the sum is weighted by them.
    """

    def forward(self, view: StepView) -> Losses:
        """One for every term."""
        return torch.ones_like(view.losses)
