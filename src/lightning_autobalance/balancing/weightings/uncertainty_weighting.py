"""Weights learned as variances."""

from typing import Literal, final

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import LearnedWeighting
from lightning_autobalance.shapes import Losses

LIMIT = 80.0  # of logarithms: weights stay within what float32 can hold


@final
class UncertaintyWeighting(LearnedWeighting):
    r"""Uncertainty weighting, known as lbPINN: each loss as the likelihood of noise whose variance is learned.

    .. math:: \min_{w, s} \sum_i \tfrac{1}{2} e^{-s_i} L_i + \tfrac{1}{2} s_i, \quad w_i = \tfrac{1}{2} e^{-s_i}

    At rest :math:`e^{s_i} = L_i`, hence :math:`w_i = 1 / (2 L_i)`: descent of the losses' logarithms.

    Args:
        form: Learn the logarithm s of the variance, from 0, or the standard deviation itself, from 2, with
            :math:`\min_\sigma L_i / (2 \sigma_i^2) + \log \sigma_i`, as in lbPINN.
        lr: Learning rate of the Adam that learns them.

    Raises:
        ValueError: If ``lr`` is not positive or the form not known.

    Reference:
        Kendall, Gal, Cipolla, 2018, "Multi-task learning using uncertainty to weigh losses"; Xiang et al., 2022,
        "Self-adaptive loss balanced PINNs", whose sigma this is.

    Note:
        The weights are those before the step of s, as when both are learned together. s stays within 80 of zero, sigma
        at ``lr`` or above: losses of zero would drive them on for ever. A NaN moves nothing.
    """

    def __init__(self, form: Literal["log_variance", "sigma"] = "log_variance", lr: float = 1e-3) -> None:
        if form not in ("log_variance", "sigma"):
            raise ValueError(f"`form` must be 'log_variance' or 'sigma', got {form!r}.")
        if form == "sigma":
            super().__init__(lr, start=2.0, low=lr, high=1e15)
        else:
            super().__init__(lr, start=0.0, low=-LIMIT, high=LIMIT)
        self.form = form

    def weigh(self, learned: Losses) -> Losses:
        """Half the inverse variance."""
        return 0.5 / learned.square() if self.form == "sigma" else 0.5 * (-learned).exp()

    def slope(self, learned: Losses, view: StepView) -> Losses:
        """The gradient of the likelihood."""
        if self.form == "sigma":
            return 1 / learned - view.losses / learned**3
        return 0.5 - 0.5 * (-learned).exp() * view.losses
