"""Weights that make all gradients equally long."""

from typing import final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import PeriodicWeighting
from lightning_autobalance.shapes import Losses


@final
class JaxpiGradNorm(PeriodicWeighting):
    r"""jaxpi's gradient norm weights: every gradient as long as their mean.

    .. math:: \hat w_i = \frac{1}{m} \sum_l \|J_l\| \,/\, \|J_i\|, \quad w_i \leftarrow 0.9 w_i + 0.1 \hat w_i

    Args:
        interval: Steps from one update to the next; the first is at step 0.
        decay: How much of the old weights an update keeps.

    Raises:
        ValueError: If a number is out of its range.

    Reference:
        Wang, Sankaran, Wang, Perdikaris, 2023, "An expert's guide to training PINNs"; jaxpi's ``models.py``.

    Note:
        Where a gradient is zero its weight would not be finite, and stays as it was.
    """

    def __init__(self, interval: int = 1000, decay: float = 0.9) -> None:
        super().__init__(interval, decay)

    def propose(self, view: StepView) -> Losses:
        """Mean length over length."""
        norms: Losses = torch.linalg.vector_norm(view.jacobian, dim=1, dtype=torch.float64)
        return norms.mean() / norms
