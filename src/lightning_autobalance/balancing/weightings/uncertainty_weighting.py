"""Uncertainty weighting: weights from learned noise variances."""

from typing import Literal, final

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import LearnedWeighting
from lightning_autobalance.shapes import Losses

MAX_LOG = 80.0  # bounds the logarithm of a variance, so that float32 can hold the weight


@final
class UncertaintyWeighting(LearnedWeighting):
    r"""Uncertainty weighting, in PINNs known as lbPINN: each loss is a Gaussian likelihood with a learned variance.

    .. math:: \min_{w, s} \sum_i \tfrac{1}{2} e^{-s_i} L_i + \tfrac{1}{2} s_i, \quad w_i = \tfrac{1}{2} e^{-s_i}

    At the optimum :math:`e^{s_i} = L_i`, hence :math:`w_i = 1 / (2 L_i)`: descent on the logarithms of the losses.

    Args:
        form: Learn the logarithm s of the variance, from 0 ("log_variance"), or the standard deviation, from 2
            ("sigma"), with :math:`\min_\sigma L_i / (2 \sigma_i^2) + \log \sigma_i`, as in lbPINN.
        lr: Learning rate of the Adam that learns them.

    Raises:
        ValueError: If ``lr`` is not finite and positive, or the form unknown.

    Reference:
        Kendall, Gal, Cipolla, 2018, "Multi-task learning using uncertainty to weigh losses"; Xiang et al., 2022,
        "Self-adaptive loss balanced PINNs", for the "sigma" form.

    Note:
        The weights are those before the update of s, as if s and the network were learned jointly. s is clamped to
        [-80, 80] and sigma to at least ``lr``, because losses of zero would drive s to minus infinity and sigma to
        zero. A NaN loss changes nothing.
    """

    def __init__(self, form: Literal["log_variance", "sigma"] = "log_variance", lr: float = 1e-3) -> None:
        if form not in ("log_variance", "sigma"):
            raise ValueError(f"`form` must be 'log_variance' or 'sigma', got {form!r}.")
        if form == "sigma":
            super().__init__(lr, start=2.0, low=lr, high=1e15)
        else:
            super().__init__(lr, start=0.0, low=-MAX_LOG, high=MAX_LOG)
        self.form = form

    def weigh(self, learned: Losses) -> Losses:
        """Half the inverse variance."""
        return 0.5 / learned.square() if self.form == "sigma" else 0.5 * (-learned).exp()

    def slope(self, learned: Losses, view: StepView) -> Losses:
        """The gradient of the negative log-likelihood."""
        if self.form == "sigma":
            return 1 / learned - view.losses / learned**3
        return 0.5 - 0.5 * (-learned).exp() * view.losses
