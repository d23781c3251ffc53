"""Weights learned as scales of the losses."""

from typing import final

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import LearnedWeighting
from lightning_autobalance.shapes import Losses

LIMIT = 80.0  # of logarithms: weights stay within what float32 can hold


@final
class IMTLL(LearnedWeighting):
    r"""IMTL-L: learned scales that bring every loss to 1.

    .. math:: \min_{w, s} \sum_i e^{s_i} L_i - s_i, \quad w_i = e^{s_i}

    At rest :math:`w_i = 1 / L_i`. Twice the uncertainty weighting with :math:`-s` for its logarithm of the variance.

    Args:
        lr: Learning rate of the Adam that learns s, from 0.

    Raises:
        ValueError: If ``lr`` is not positive.

    Reference:
        Liu et al., 2021, "Towards impartial multi-task learning", the loss balance.

    Note:
        The weights are those before the step of s, as when both are learned together. s stays within 80 of zero. A NaN
        moves nothing.
    """

    def __init__(self, lr: float = 1e-3) -> None:
        super().__init__(lr, start=0.0, low=-LIMIT, high=LIMIT)

    def weigh(self, learned: Losses) -> Losses:
        """The exponential."""
        return learned.exp()

    def slope(self, learned: Losses, view: StepView) -> Losses:
        """The scaled loss minus 1."""
        return learned.exp() * view.losses - 1
