"""Random weights, drawn in every step."""

from typing import final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import SeededWeighting, softmax_weights
from lightning_autobalance.shapes import Losses


@final
class RandomWeights(SeededWeighting):
    r"""Random loss weighting (RLW): a baseline that any balancing should beat.

    .. math:: w = m \operatorname{softmax}(z), \quad z \sim N(0, I)

    Args:
        seed: By default that of ``seed_everything``; a checkpoint restores its own.

    Raises:
        ValueError: If ``seed`` is negative.

    Reference:
        Lin et al., 2022, "Reasonable effectiveness of random weighting".

    Note:
        The paper's weights sum to 1, these to m. They do not depend on the losses.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)

    def forward(self, view: StepView) -> Losses:
        """Softmax of standard normal numbers, times m."""
        return softmax_weights(torch.as_tensor(self.generator(view).normal(size=len(view.losses))).to(view.losses))
