"""ReLoBRaLo: weights from the relative decrease of the losses, with random lookback."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import (
    SeededWeighting,
    ratio,
    softmax_weights,
)
from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.arguments import check_fraction, check_positive


@final
class ReLoBRaLo(SeededWeighting):
    r"""Relative loss balancing with random lookback (ReLoBRaLo).

    .. math:: w(t) = \alpha \bigl(\rho\, w(t - 1) + (1 - \rho)\, \hat w(t; 0)\bigr) + (1 - \alpha)\, \hat w(t; t - 1),
        \quad \hat w_i(t; s) = m \operatorname{softmax}_i \frac{L_i(t)}{T L_i(s)}

    where :math:`\rho` is drawn in each step, 1 with probability ``rho``, else 0, which looks back to step 0.

    Args:
        decay: :math:`\alpha`, factor of the history, in [0, 1).
        rho: Probability that the history is the previous weights and not those relative to step 0.
        temperature: T; larger values give more equal weights.
        seed: Seed of the random lookback, by default that of ``seed_everything``; a checkpoint restores its own.

    Raises:
        ValueError: If a number is out of its range.

    Reference:
        Bischof and Kraus, 2021, "Multi-objective loss balancing for physics-informed deep learning".

    Note:
        Defaults as in ConFIG's PINN experiments; the authors' code has decay 0.999, T = 1 and rho = 1. As in that code,
        weights are 1 in the first step, and the second step uses no history. A ratio of 0 / 0 or NaN counts as 1; a
        positive loss after a loss of zero gets all the weight.
    """

    first: Tensor
    last: Tensor
    current: Tensor

    def __init__(
        self, decay: float = 0.999, rho: float = 0.999, temperature: float = 0.1, seed: int | None = None
    ) -> None:
        super().__init__(seed)
        check_fraction("decay", decay, below_one=True)
        check_fraction("rho", rho)
        check_positive("temperature", temperature)
        self.decay = decay
        self.rho = rho
        self.temperature = temperature
        for name in ("first", "last", "current"):
            self.register_buffer(name, torch.empty(0))

    def forward(self, view: StepView) -> Losses:
        """Exponential average of the relative improvements."""
        if len(self.first) == 0:
            self.first = self.last = view.losses.clone()
            return torch.ones_like(view.losses)
        latest = self._relative(view.losses, self.last)
        if len(self.current) == 0:
            self.current = latest
        else:
            keeps_latest = self.generator(view).random() < self.rho
            history = self.current.to(latest) if keeps_latest else self._relative(view.losses, self.first)
            self.current = self.decay * history + (1 - self.decay) * latest
        self.last = view.losses.clone()
        return self.current

    def _relative(self, losses: Losses, before: Losses) -> Losses:
        return softmax_weights(ratio(losses, before.to(losses)) / self.temperature)
