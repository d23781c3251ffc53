"""Learning rate schedules."""

from typing import Any, final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


@final
class WarmupExponentialDecay(LRScheduler):
    r"""Linear warm-up to the optimizer's learning rate, then exponential decay in steps, with a floor.

    .. math::
        \eta_k = \begin{cases}
            \eta_0 + (\eta - \eta_0) \, k / K & k < K \\
            \max(\eta_{\min}, \eta \, r^{E \lfloor (k - K) / E \rfloor / P}) & k \ge K
        \end{cases}

    with the peak :math:`\eta` of each parameter group, and for update :math:`k = 0, 1, \ldots`

    Args:
        optimizer: Its learning rates are the peaks, group by group.
        start: Learning rate of the first update, :math:`\eta_0`; at most the least peak.
        warmup: Number of updates until the peak, :math:`K`.
        rate: Factor of the decay over ``period`` updates, :math:`r`.
        period: :math:`P`.
        every: Updates between two steps of the decay, :math:`E`.
        floor: Least learning rate of the decay, :math:`\eta_{\min}`; at most the least peak.
        last_epoch: Number of the last update, for a schedule that goes on.

    Raises:
        ValueError: If a number is out of its range, or the schedule would rise above a group's peak.

    Reference:
        The AutoBalance paper, appendix A.4, in words; the same shape as optax's ``warmup_exponential_decay_schedule``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start: float = 1e-4,
        warmup: int = 1500,
        rate: float = 0.75,
        period: int = 1000,
        every: int = 50,
        floor: float = 1e-5,
        last_epoch: int = -1,
    ) -> None:
        for name, number in {"start": start, "warmup": warmup, "floor": floor}.items():
            if not 0 <= number < float("inf"):
                raise ValueError(f"`{name}` must be finite and >= 0, got {number}.")
        for name, number in {"period": period, "every": every}.items():
            if not 1 <= number < float("inf"):
                raise ValueError(f"`{name}` must be finite and >= 1, got {number}.")
        if not 0 < rate <= 1:
            raise ValueError(f"`rate` must be in (0, 1], got {rate}.")
        _check_below_peaks(optimizer, {"start": start, "floor": floor} if warmup else {"floor": floor})
        self.start = start
        self.warmup = warmup
        self.rate = rate
        self.period = period
        self.every = every
        self.floor = floor
        super().__init__(optimizer, last_epoch)
        self.base_lrs = [float(peak) for peak in self.base_lrs]  # of a tensor on a GPU each read would wait for it

    def get_lr(self) -> list[Any]:
        """The learning rate of each group for the next update."""
        return [self._at(self.last_epoch, float(peak)) for peak in self.base_lrs]

    def _at(self, k: int, peak: float) -> float:
        if k < self.warmup:
            return self.start + (peak - self.start) * k / self.warmup
        steps = (k - self.warmup) // self.every
        decayed: float = peak * self.rate ** (self.every * steps / self.period)
        return max(self.floor, decayed)


def _check_below_peaks(optimizer: Optimizer, numbers: dict[str, float]) -> None:
    peak = min(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups)
    for name, number in numbers.items():
        if number > peak * (1 + 1e-6):  # a peak that is a float32 tensor may be less by rounding
            raise ValueError(
                f"`{name}` must be <= the optimizer's least learning rate, the peak {peak:g}, got {number:g}. "
                f"Lower `{name}` or raise `lr`."
            )
