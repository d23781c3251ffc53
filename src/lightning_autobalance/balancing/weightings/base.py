"""What every weighting is, and what kinds of them share."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from lightning_autobalance.balancing.base import Balancer, StepView
from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.arguments import check_at_least, check_fraction, check_positive


class Weighting(Balancer):
    """Turns losses, and what else it asks for, into one weight per loss term.

    Weights are finite and not negative whatever comes in: each method says what it does with what it cannot use.
    """

    @abstractmethod
    def forward(self, view: StepView) -> Losses:
        """The weights of this step; called once per optimizer step.

        Args:
            view: What is known of the step.

        Returns:
            One weight per term, without a graph, (m,).
        """

    def remembered(self, name: str, losses: Losses, start: float) -> Losses:
        """A buffer with one entry per term, in the type of the losses; filled where it was empty.

        Args:
            name: Of the buffer.
            losses: One per term, (m,).
            start: With what it is filled.
        """
        buffer: Tensor = getattr(self, name)
        return torch.full_like(losses, start) if len(buffer) == 0 else buffer.to(losses)


class PeriodicWeighting(Weighting):
    """A weighting that proposes weights now and then, and averages them; they start at 1.

    A weight that would not be finite stays as it was.

    Args:
        interval: Steps from one update to the next; the first is at step 0.
        decay: How much of the old weights an update keeps.
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
        """The weights of the latest update."""
        current = self.remembered("current", view.losses, 1.0)
        if view.step % self.interval == 0:
            proposed = self.decay * current + (1 - self.decay) * self.propose(view)
            proposed = proposed.to(current)
            current = torch.where(torch.isfinite(proposed), proposed, current)
        self.current = current
        return current

    @abstractmethod
    def propose(self, view: StepView) -> Losses:
        """The weights that this step alone asks for, (m,).

        Args:
            view: What is known of the step.
        """


class LearnedWeighting(Weighting):
    """A weighting by one learned number per term, which an Adam of its own moves after every step.

    Its gradient is kept within what Adam can square; NaN counts as 0.

    Args:
        lr: Learning rate of the Adam.
        start: The first value.
        low: The least value.
        high: The largest value.
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
        self.updates = 0  # on the host, where Adam needs it
        for name in ("learned", "exp_avg", "exp_avg_sq"):
            self.register_buffer(name, torch.empty(0))

    def forward(self, view: StepView) -> Losses:
        """The weights; then the learned numbers move."""
        self.learned = self.remembered("learned", view.losses, self.start)
        weights = self.weigh(self.learned)
        self.descend(self.slope(self.learned, view))
        return weights

    @abstractmethod
    def weigh(self, learned: Losses) -> Losses:
        """The weights that belong to the learned numbers, (m,).

        Args:
            learned: One per term, (m,).
        """

    @abstractmethod
    def slope(self, learned: Losses, view: StepView) -> Losses:
        """The gradient that the learned numbers descend, (m,).

        Args:
            learned: One per term, (m,).
            view: What is known of the step.
        """

    def descend(self, gradient: Losses) -> None:
        """Take one step of Adam.

        Args:
            gradient: One per term, (m,).
        """
        limit = torch.finfo(gradient.dtype).max ** 0.5 / 10
        gradient = torch.nan_to_num(gradient, nan=0.0).clamp(-limit, limit)
        self.exp_avg = self.remembered("exp_avg", gradient, 0.0)
        self.exp_avg_sq = self.remembered("exp_avg_sq", gradient, 0.0)
        self.learned = self.learned.clone()  # the log may still hold it
        moments = [self.exp_avg], [self.exp_avg_sq], list[Tensor]()
        options: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "lr": self.lr, "weight_decay": 0.0, "eps": 1e-8}
        done = [torch.tensor(float(self.updates))]
        adam([self.learned], [gradient], *moments, done, foreach=False, amsgrad=False, maximize=False, **options)
        self.learned.clamp_(self.low, self.high)
        self.updates += 1

    def get_extra_state(self) -> dict[str, int]:
        """The number of updates, for the checkpoint."""
        return {"updates": self.updates}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take it back.

        Args:
            state: What `get_extra_state` gave.
        """
        self.updates = state["updates"]


class SeededWeighting(Weighting):
    """A weighting that draws random numbers: from the seed and the step alone, so that a resumed run draws the same.

    Args:
        seed: By default that given to ``seed_everything``; a checkpoint brings its own.
    """

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        if seed is not None:
            check_at_least("seed", seed, 0)
        self.seed = seed if seed is not None else torch.initial_seed()

    def generator(self, view: StepView) -> np.random.Generator:
        """The random numbers of a step.

        Args:
            view: What is known of the step.
        """
        return np.random.default_rng([self.seed, view.step])

    def get_extra_state(self) -> dict[str, int]:
        """The seed, for the checkpoint."""
        return {"seed": self.seed}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take it back.

        Args:
            state: What `get_extra_state` gave.
        """
        self.seed = state["seed"]


def ratio(new: Losses, old: Losses) -> Losses:
    """How losses changed: 0 / 0 and NaN count as no change, and what is too large as the largest number.

    Args:
        new: Losses, (m,).
        old: The losses before, (m,).
    """
    return torch.nan_to_num(new / old, nan=1.0)


def softmax_weights(logits: Losses) -> Losses:
    """Softmax that adds up to m, so that equal terms have weight 1. NaN counts as 0.

    Args:
        logits: One per term, (m,).
    """
    return len(logits) * torch.softmax(torch.nan_to_num(logits, nan=0.0), dim=0)
