"""Learned weights that make gradients follow the speed of training."""

from typing import Literal, final

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import LearnedWeighting, ratio
from lightning_autobalance.shapes import Losses

LEAST = 1e-3  # of the mean weight: none may become negative, nor get lost


@final
class GradNorm(LearnedWeighting):
    r"""GradNorm: weights descend towards gradients that are longer the slower their loss has fallen.

    .. math:: \min_w \sum_i \bigl| w_i \|J_i\| - \bar G \rho_i^\alpha \bigr|, \quad
        \bar G = \frac{1}{m} \sum_i w_i \|J_i\|, \quad
        \rho_i = \frac{L_i / L_i(0)}{\frac{1}{m} \sum_l L_l / L_l(0)}

    with the target held fixed; then the weights are scaled so that they add up to m.

    Args:
        alpha: How strongly slow terms are favoured; 0 makes all gradients equally long.
        lr: Learning rate of the weights.
        optimizer: Plain gradient descent, as in the test of the paper's rule, or Adam, whose steps do not grow with
            the lengths of the gradients: these reach 1e3 and more in PINNs, and the former then jumps between limits.

    Raises:
        ValueError: If a number is out of its range or the name not known.

    Reference:
        Chen et al., 2018, "GradNorm", equations 1 and 2, algorithm 1.

    Note:
        Gradients by all parameters, in place of the last shared layer's. Weights stay at least 0.001 before they are
        scaled. A length that is not finite, or a loss that was 0 at the start, moves no weight to where it is NaN: its
        share of the gradient counts as 0.
    """

    first: Tensor

    def __init__(self, alpha: float = 1.5, lr: float = 0.025, optimizer: Literal["sgd", "adam"] = "sgd") -> None:
        super().__init__(lr, start=1.0, low=LEAST, high=float("inf"))
        if not 0 <= alpha < float("inf"):
            raise ValueError(f"`alpha` must be finite and >= 0, got {alpha}.")
        if optimizer not in ("sgd", "adam"):
            raise ValueError(f"`optimizer` must be 'sgd' or 'adam', got {optimizer!r}.")
        self.alpha = alpha
        self.optimizer = optimizer
        self.register_buffer("first", torch.empty(0))

    def weigh(self, learned: Losses) -> Losses:
        """The learned numbers themselves."""
        return learned

    def slope(self, learned: Losses, view: StepView) -> Losses:
        """Length of each gradient, with the sign of weighted length minus target."""
        if len(self.first) == 0:
            self.first = view.losses.clone()
        norms: Losses = torch.linalg.vector_norm(view.jacobian, dim=1).to(learned)
        lengths = learned * norms
        progress = ratio(view.losses, self.first.to(view.losses))
        target = lengths.mean() * ratio(progress, progress.mean().expand_as(progress)) ** self.alpha
        return torch.sign(lengths - target) * norms

    def descend(self, gradient: Losses) -> None:
        """Take one step and scale the sum to m."""
        if self.optimizer == "adam":
            super().descend(gradient)
        else:
            finite = torch.where(torch.isfinite(gradient), gradient, 0.0)
            self.learned = (self.learned - self.lr * finite).clamp(self.low, 1 / LEAST**2)
        self.learned = len(gradient) * self.learned / self.learned.sum()
