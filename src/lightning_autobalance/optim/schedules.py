"""Learning rate schedules."""

from typing import Any, final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_autobalance.utils.arguments import check_at_least, check_interval


@final
class WarmupExponentialDecay(LRScheduler):
    r"""Linear warm-up to the optimizer's learning rate, then stepwise exponential decay down to a floor.

    .. math::
        \eta_k = \begin{cases}
            \eta_0 + (\eta - \eta_0) \, k / K & k < K \\
            \max(\eta_{\min}, \eta \, r^{E \lfloor (k - K) / E \rfloor / P}) & k \ge K
        \end{cases}

    for update :math:`k = 0, 1, \ldots`, where the peak :math:`\eta` is the learning rate of each parameter group.

    Args:
        optimizer: Its learning rates are the peaks, one per parameter group.
        start: Learning rate of the first update, :math:`\eta_0`; at most the smallest peak.
        warmup: Number of updates before the peak, :math:`K`.
        rate: Decay factor per ``period`` updates, :math:`r`, in (0, 1].
        period: Number of updates in which the rate decays by ``rate``, :math:`P`.
        every: Number of updates for which the rate stays constant, :math:`E`.
        floor: Lowest learning rate of the decay, :math:`\eta_{\min}`; at most the smallest peak.
        last_epoch: Number of the last update of a schedule that is continued; -1 starts a new one.

    Raises:
        ValueError: If a number is out of its range, or the schedule would exceed a group's peak.

    Reference:
        The AutoBalance paper, appendix A.4, in words; the shape is that of optax's
        ``warmup_exponential_decay_schedule``.
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
            check_at_least(name, float(number), 0)
        for name, number in {"period": period, "every": every}.items():
            check_at_least(name, float(number), 1)
        check_interval("rate", rate, 0, 1, ends="(]")
        _check_below_peaks(optimizer, {"start": start, "floor": floor} if warmup else {"floor": floor})
        self.start = start
        self.warmup = warmup
        self.rate = rate
        self.period = period
        self.every = every
        self.floor = floor
        super().__init__(optimizer, last_epoch)
        self.base_lrs = [
            float(peak) for peak in self.base_lrs
        ]  # reading a tensor on a GPU would synchronize in every step

    def get_lr(self) -> list[Any]:
        """The learning rate of each group for the next update."""
        return [self._lr_at(self.last_epoch, float(peak)) for peak in self.base_lrs]

    def _lr_at(self, k: int, peak: float) -> float:
        if k < self.warmup:
            return self.start + (peak - self.start) * k / self.warmup
        steps = (k - self.warmup) // self.every
        decayed: float = peak * self.rate ** (self.every * steps / self.period)
        return max(self.floor, decayed)


def _check_below_peaks(optimizer: Optimizer, numbers: dict[str, float]) -> None:
    peak = min(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups)
    for name, number in numbers.items():
        if number > peak * (1 + 1e-6):  # a float32 tensor may hold the peak rounded down
            raise ValueError(
                f"`{name}` must be <= the optimizer's least learning rate, the peak {peak:g}, got {number:g}. "
                f"Lower `{name}` or raise `lr`."
            )
