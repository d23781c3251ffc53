"""GradNorm: learned weights that tie gradient norms to training speed."""

from typing import Literal, final

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import LearnedWeighting, ratio
from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.arguments import check_at_least

MIN_WEIGHT = 1e-3  # before scaling, where the mean is 1: keeps weights positive


@final
class GradNorm(LearnedWeighting):
    r"""GradNorm: weights are learned so that terms whose loss decreased less have larger gradients.

    .. math:: \min_w \sum_i \bigl| w_i \|J_i\| - \bar G \rho_i^\alpha \bigr|, \quad
        \bar G = \frac{1}{m} \sum_i w_i \|J_i\|, \quad
        \rho_i = \frac{L_i / L_i(0)}{\frac{1}{m} \sum_l L_l / L_l(0)}

    with :math:`\bar G \rho_i^\alpha` held constant; the weights are then scaled to sum to m.

    Args:
        alpha: Strength of the preference for slow terms, >= 0; 0 makes all gradient norms equal.
        lr: Learning rate of the weights.
        optimizer: Plain gradient descent ("sgd"), or "adam", whose steps do not grow with the gradient norms: these
            reach 1e3 and more in PINNs, where gradient descent oscillates between the bounds.

    Raises:
        ValueError: If a number is out of its range or the name not known.

    Reference:
        Chen et al., 2018, "GradNorm", equations 1 and 2, algorithm 1.

    Note:
        Gradients are with respect to all parameters, not the last shared layer. Weights are at least 0.001 before
        scaling. Non-finite components of their gradient, from a non-finite norm or an initial loss of 0, count as 0.
    """

    first: Tensor

    def __init__(self, alpha: float = 1.5, lr: float = 0.025, optimizer: Literal["sgd", "adam"] = "sgd") -> None:
        super().__init__(lr, start=1.0, low=MIN_WEIGHT, high=float("inf"))
        check_at_least("alpha", alpha, 0)
        if optimizer not in ("sgd", "adam"):
            raise ValueError(f"`optimizer` must be 'sgd' or 'adam', got {optimizer!r}.")
        self.alpha = alpha
        self.optimizer = optimizer
        self.register_buffer("first", torch.empty(0))

    def weigh(self, learned: Losses) -> Losses:
        """The learned numbers are the weights."""
        return learned

    def slope(self, learned: Losses, view: StepView) -> Losses:
        """The gradient norms, signed by whether the weighted norm exceeds its target."""
        if len(self.first) == 0:
            self.first = view.losses.clone()
        norms: Losses = torch.linalg.vector_norm(view.jacobian, dim=1).to(learned)
        weighted = learned * norms
        progress = ratio(view.losses, self.first.to(view.losses))
        target = weighted.mean() * ratio(progress, progress.mean().expand_as(progress)) ** self.alpha
        return torch.sign(weighted - target) * norms

    def descend(self, gradient: Losses) -> None:
        """Take one step, then scale the weights to sum to m."""
        if self.optimizer == "adam":
            super().descend(gradient)
        else:
            finite = torch.where(torch.isfinite(gradient), gradient, 0.0)
            self.learned = (self.learned - self.lr * finite).clamp(self.low, 1 / MIN_WEIGHT**2)
        self.learned = len(gradient) * self.learned / self.learned.sum()
