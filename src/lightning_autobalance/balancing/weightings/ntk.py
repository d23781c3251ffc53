"""Weights from the neural tangent kernels of the residuals."""

from typing import Literal, final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import PeriodicWeighting
from lightning_autobalance.shapes import Losses


@final
class NTK(PeriodicWeighting):
    r"""Neural tangent kernel weights: terms whose residuals converge slowly get more weight.

    .. math:: w_i = \frac{\sum_l k_l}{k_i}, \quad k_i = \frac{1}{b} \sum_j \|\partial r_{ij} / \partial w\|^2

    jaxpi uses ``NTK(numerator="mean", interval=1000, decay=0.9)``.

    Args:
        numerator: The "sum" of all :math:`k_l`, or their "mean".
        interval: Steps between updates, >= 1; the first is at step 0.
        decay: Factor of the old weights in an exponential average, in [0, 1); 0 does not average.

    Raises:
        ValueError: If a number is out of its range or the numerator unknown.

    Reference:
        Wang, Yu, Perdikaris, 2022, "When and why PINNs fail to train", algorithm 1; jaxpi's ``models.py``.

    Note:
        The paper uses traces, with equally many points in every term. Here k is the trace divided by the number of
        residual values, because losses are means. An update costs about ten steps. A weight that would become
        non-finite, because a kernel is zero or not finite, keeps its value.
    """

    needs_ntk = True

    def __init__(self, numerator: Literal["sum", "mean"] = "sum", interval: int = 100, decay: float = 0.0) -> None:
        super().__init__(interval, decay)
        if numerator not in ("sum", "mean"):
            raise ValueError(f"`numerator` must be 'sum' or 'mean', got {numerator!r}.")
        self.numerator = numerator

    def propose(self, view: StepView) -> Losses:
        """Sum or mean of the kernels over each kernel."""
        kernels = view.kernels().to(torch.float64)
        return (kernels.sum() if self.numerator == "sum" else kernels.mean()) / kernels
