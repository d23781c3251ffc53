"""IMTL-L: weights learned as scales of the losses."""

from typing import final

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import LearnedWeighting
from lightning_autobalance.shapes import Losses

MAX_LOG = 80.0  # bounds the logarithm of a weight, so that float32 can hold the weight


@final
class IMTLL(LearnedWeighting):
    r"""IMTL-L: learned scales that bring every loss to 1.

    .. math:: \min_{w, s} \sum_i e^{s_i} L_i - s_i, \quad w_i = e^{s_i}

    At the optimum :math:`w_i = 1 / L_i`. This is twice the uncertainty weighting with log variance :math:`-s`.

    Args:
        lr: Learning rate of the Adam that learns s, from 0.

    Raises:
        ValueError: If ``lr`` is not finite and positive.

    Reference:
        Liu et al., 2021, "Towards impartial multi-task learning", the loss balance.

    Note:
        The weights are those before the update of s, as if s and the network were learned jointly. s is clamped to
        [-80, 80]. A NaN loss does not change s.
    """

    def __init__(self, lr: float = 1e-3) -> None:
        super().__init__(lr, start=0.0, low=-MAX_LOG, high=MAX_LOG)

    def weigh(self, learned: Losses) -> Losses:
        """exp(s)."""
        return learned.exp()

    def slope(self, learned: Losses, view: StepView) -> Losses:
        """exp(s) L - 1."""
        return learned.exp() * view.losses - 1
