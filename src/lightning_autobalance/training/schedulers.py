"""Learning rate schedules under manual optimization, in which Lightning does not step them."""

from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau


def optimizer_configuration(optimizer: Optimizer, scheduler: Any, interval: str) -> dict[str, Any]:
    """The dictionary that Lightning's ``configure_optimizers`` returns for an optimizer and its schedule.

    Args:
        optimizer: The optimizer.
        scheduler: Its schedule; a ``ReduceLROnPlateau`` always steps once per epoch, after validation.
        interval: "step" or "epoch".
    """
    if isinstance(scheduler, ReduceLROnPlateau):
        interval = "epoch"
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}


def step_schedulers(trainer: Trainer, interval: str, count: int, monitor: str | None) -> None:
    """Step the schedules of one interval, honouring their ``frequency``.

    Args:
        trainer: The Trainer with the schedules and the logged values.
        interval: "step" after an optimizer step, "epoch" after an epoch.
        count: Number of intervals completed, including this one.
        monitor: Name of the logged value that a plateau schedule watches, unless it has a ``monitor`` of its own. None
            does not step plateau schedules.

    Raises:
        MisconfigurationException: If the value that a plateau schedule watches is not logged.
    """
    for config in trainer.lr_scheduler_configs:
        if config.interval != interval or count % config.frequency:
            continue
        if not isinstance(config.scheduler, ReduceLROnPlateau):
            config.scheduler.step()
        elif monitor is not None:
            config.scheduler.step(_monitored(trainer, getattr(config.scheduler, "monitor", monitor)))


def count_skipped_step(optimizer: Optimizer | LightningOptimizer) -> None:
    """Count a skipped step in ``global_step``.

    Args:
        optimizer: The optimizer from ``LightningModule.optimizers()``.
    """
    if isinstance(optimizer, LightningOptimizer):
        optimizer._on_before_step()
        optimizer._on_after_step()


class EpochSchedules(Callback):
    """Steps the schedules with interval "epoch"; a callback, because subclasses may override the module's hooks.

    Args:
        monitor: Name of the logged value that a plateau schedule watches, unless it has a ``monitor`` of its own.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self._epochs = 0
        self._stepped_at = 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Step, unless the run stopped within the epoch, or resumed from the end of an epoch already counted."""
        if trainer.is_last_batch and trainer.global_step > self._stepped_at:
            self._epochs, self._stepped_at = self._epochs + 1, trainer.global_step
            step_schedulers(trainer, "epoch", self._epochs, self.monitor)

    def state_dict(self) -> dict[str, int]:
        """Number of completed epochs, and the optimizer step at which the last one ended."""
        return {"epochs": self._epochs, "stepped_at": self._stepped_at}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Restore the counts of a checkpoint."""
        self._epochs, self._stepped_at = state_dict["epochs"], state_dict["stepped_at"]


def _monitored(trainer: Trainer, name: str) -> float:
    metrics = trainer.callback_metrics
    if name not in metrics:
        raise MisconfigurationException(
            f"`monitor` of ReduceLROnPlateau must be a logged value, got {name!r}. Logged are: {sorted(metrics)}."
        )
    return float(metrics[name])
