"""Weights that equalize the gradient norms, without learning: those of jaxpi."""

from typing import final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import PeriodicWeighting
from lightning_autobalance.shapes import Losses


@final
class JaxpiGradNorm(PeriodicWeighting):
    r"""jaxpi's gradient norm weighting: scales every gradient to the mean norm.

    .. math:: \hat w_i = \frac{1}{m} \sum_l \|J_l\| \,/\, \|J_i\|, \quad w_i \leftarrow 0.9 w_i + 0.1 \hat w_i

    Args:
        interval: Steps between updates, >= 1; the first is at step 0.
        decay: Factor of the old weights in the average, 0.9 above, in [0, 1).

    Raises:
        ValueError: If a number is out of its range.

    Reference:
        Wang, Sankaran, Wang, Perdikaris, 2023, "An expert's guide to training PINNs"; jaxpi's ``models.py``.

    Note:
        The weight of a term whose gradient is zero would be infinite, and keeps its value.
    """

    def __init__(self, interval: int = 1000, decay: float = 0.9) -> None:
        super().__init__(interval, decay)

    def propose(self, view: StepView) -> Losses:
        """Mean norm over norm."""
        norms: Losses = torch.linalg.vector_norm(view.jacobian, dim=1, dtype=torch.float64)
        return norms.mean() / norms
