"""Base classes of the weightings."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from lightning_autobalance.balancing.base import Balancer, StepView
from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.arguments import check_at_least, check_fraction, check_positive
from lightning_autobalance.utils.plain import plain


class Weighting(Balancer):
    """Computes one weight per loss term from the data of the step.

    Weights are finite and non-negative for any input; each method documents how it treats unusable values.
    """

    @abstractmethod
    def forward(self, view: StepView) -> Losses:
        """The weights of this step, without a graph, (m,); called once per optimizer step."""

    def remembered(self, name: str, losses: Losses, start: float) -> Losses:
        """A buffer with one entry per term, in the type of the losses; still empty, it is filled with a constant.

        Args:
            name: Name of the buffer.
            losses: Determines size and type, (m,).
            start: The constant.
        """
        buffer: Tensor = getattr(self, name)
        return torch.full_like(losses, start) if len(buffer) == 0 else buffer.to(losses)


class PeriodicWeighting(Weighting):
    """A weighting that proposes new weights at regular intervals and averages them exponentially, starting from 1.

    A weight that would become non-finite keeps its value.

    Args:
        interval: Steps between updates, >= 1; the first is at step 0.
        decay: Factor of the old weights in the average, in [0, 1).
    """

    current: Tensor

    def __init__(self, interval: int, decay: float) -> None:
        super().__init__()
        check_at_least("interval", interval, 1)
        check_fraction("decay", decay, below_one=True)
        self.interval = interval
        self.decay = decay
        self.register_buffer("current", torch.empty(0))

    def forward(self, view: StepView) -> Losses:
        """The current weights, updated every ``interval`` steps."""
        current = self.remembered("current", view.losses, 1.0)
        if view.step % self.interval == 0:
            proposed = self.decay * current + (1 - self.decay) * self.propose(view)
            proposed = proposed.to(current)
            current = torch.where(torch.isfinite(proposed), proposed, current)
        self.current = current
        return current

    @abstractmethod
    def propose(self, view: StepView) -> Losses:
        """The weights according to this step alone, (m,)."""


class LearnedWeighting(Weighting):
    """A weighting with one learned number per term, which its own Adam updates after every step.

    The gradient is clamped to what Adam can square; NaN counts as 0.

    Args:
        lr: Learning rate of that Adam.
        start: Initial value of the learned numbers.
        low: Their lower bound.
        high: Their upper bound.
    """

    learned: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor

    def __init__(self, lr: float, *, start: float, low: float, high: float) -> None:
        super().__init__()
        check_positive("lr", lr)
        self.lr = lr
        self.start = start
        self.low = low
        self.high = high
        self.updates = 0  # a Python number, not a buffer: Adam reads it in every step
        for name in ("learned", "exp_avg", "exp_avg_sq"):
            self.register_buffer(name, torch.empty(0))

    def forward(self, view: StepView) -> Losses:
        """The weights before the learned numbers are updated."""
        self.learned = self.remembered("learned", view.losses, self.start)
        weights = self.weigh(self.learned)
        self.descend(self.slope(self.learned, view))
        return weights

    @abstractmethod
    def weigh(self, learned: Losses) -> Losses:
        """The weights as a function of the learned numbers, (m,)."""

    @abstractmethod
    def slope(self, learned: Losses, view: StepView) -> Losses:
        """The gradient of the objective with respect to the learned numbers, (m,)."""

    def descend(self, gradient: Losses) -> None:
        """Update the learned numbers by one Adam step along a gradient, (m,)."""
        limit = torch.finfo(gradient.dtype).max ** 0.5 / 10
        gradient = torch.nan_to_num(gradient, nan=0.0).clamp(-limit, limit)
        self.exp_avg = self.remembered("exp_avg", gradient, 0.0)
        self.exp_avg_sq = self.remembered("exp_avg_sq", gradient, 0.0)
        self.learned = self.learned.clone()  # the weights may alias it
        moments = [self.exp_avg], [self.exp_avg_sq], list[Tensor]()
        options: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "lr": self.lr, "weight_decay": 0.0, "eps": 1e-8}
        steps = [torch.tensor(float(self.updates))]
        adam([self.learned], [gradient], *moments, steps, foreach=False, amsgrad=False, maximize=False, **options)
        self.learned.clamp_(self.low, self.high)
        self.updates += 1

    def get_extra_state(self) -> dict[str, int]:
        """The number of updates, for the checkpoint."""
        return {"updates": self.updates}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Restore the number of updates from a checkpoint."""
        self.updates = state["updates"]


class SeededWeighting(Weighting):
    """A weighting that draws random numbers, which depend on the seed and the step alone, so a resume is exact.

    Args:
        seed: By default that of ``seed_everything``; a checkpoint restores its own.
    """

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        if seed is not None:
            check_at_least("seed", seed, 0)
        self.seed = plain(seed) if seed is not None else torch.initial_seed()

    def generator(self, view: StepView) -> np.random.Generator:
        """The random number generator of this step."""
        return np.random.default_rng([self.seed, view.step])

    def get_extra_state(self) -> dict[str, int]:
        """The seed, for the checkpoint."""
        return {"seed": self.seed}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Restore the seed from a checkpoint."""
        self.seed = state["seed"]


def ratio(new: Losses, old: Losses) -> Losses:
    """Relative change of losses, ``new / old``: NaN, also from 0 / 0, becomes 1, infinity the largest number."""
    return torch.nan_to_num(new / old, nan=1.0)


def softmax_weights(logits: Losses) -> Losses:
    """Softmax scaled to sum to m, so that equal logits give weights of 1; NaN counts as 0."""
    return len(logits) * torch.softmax(torch.nan_to_num(logits, nan=0.0), dim=0)
