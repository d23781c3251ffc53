"""Learning rate schedules under manual optimization, in which Lightning drops some of their settings and steps none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.core.optimizer import (
    LightningOptimizer,
    _configure_optimizers,
    _configure_schedulers_automatic_opt,
)
from lightning.pytorch.utilities import rank_zero_warn
from lightning.pytorch.utilities.types import LRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lightning_autobalance.utils.arguments import check_positive


def set_learning_rate(optimizer: Optimizer, lr: float | None) -> None:
    """Replace the learning rate of all parameter groups, before a schedule is created; None keeps it.

    Raises:
        ValueError: If it is not positive and finite.
    """
    if lr is None:
        return
    check_positive("lr", lr)
    for group in optimizer.param_groups:
        group["lr"] = lr


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


def step_schedulers(trainer: Trainer, interval: str, count: int) -> None:
    """Step the schedules of one interval that watch no value, honouring their ``frequency``.

    Args:
        interval: "step" after an optimizer step, "epoch" after an epoch.
        count: Number of intervals completed, including this one.
    """
    for config in due(trainer, interval, count):
        if not watches_value(config):
            trainer.lightning_module.lr_scheduler_step(config.scheduler, None)


def due(trainer: Trainer, interval: str, count: int) -> Iterable[LRSchedulerConfig]:
    """The schedules that step after so many intervals."""
    return (c for c in trainer.lr_scheduler_configs if c.interval == interval and count % c.frequency == 0)


def watches_value(config: LRSchedulerConfig) -> bool:
    """Whether a schedule steps by a logged value."""
    return config.reduce_on_plateau or isinstance(config.scheduler, ReduceLROnPlateau)


def count_step(optimizer: Optimizer | LightningOptimizer) -> None:
    """Count a step in ``global_step`` that is skipped, or not the optimizer's.

    Args:
        optimizer: The optimizer from ``LightningModule.optimizers()``.
    """
    if isinstance(optimizer, LightningOptimizer):
        optimizer._on_before_step()
        optimizer._on_after_step()


class _ReadOnce:
    """Stands in for ``configure_optimizers`` of a module until it is called.

    Args:
        read: Gets the result, and returns what the caller gets.
        own: An attribute of the same name that the module had itself.
    """

    def __init__(self, module: LightningModule, read: Callable[[Any], Any], own: Any) -> None:
        self.module, self.read, self.own = module, read, own

    def __call__(self) -> Any:
        del self.module.__dict__["configure_optimizers"]
        if self.own is not None:
            self.module.__dict__["configure_optimizers"] = self.own
        return self.read(self.module.configure_optimizers())


class EpochSchedules(Callback):
    """Steps the schedules of ``configure_optimizers``, also of an override, as automatic optimization would.

    Schedules that watch a value wait until it is known: at the end of the epoch, or before the next optimizer step,
    which is after a validation that falls in between.

    Args:
        monitor: Name of the logged value that a plateau schedule watches, unless its configuration names another.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.attached = False
        self._configs: list[LRSchedulerConfig] = []
        self._epochs = 0
        self._stepped_at = 0
        self._waiting: dict[str, int] = {}  # by interval, the count after which plateau schedules have not stepped yet
        self._late: set[str] = set()  # values that are logged only after the callbacks' end of the epoch
        self._values: dict[str, float] = {}  # that were watched when the checkpoint was written

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Read the result of ``configure_optimizers`` before Lightning drops ``monitor`` and ``strict`` from it."""
        self.attached = True
        if stage != "fit":
            return
        before = pl_module.__dict__.get("configure_optimizers")
        own = before.own if isinstance(before, _ReadOnce) else before  # of a fit that failed before it configured
        pl_module.__dict__["configure_optimizers"] = _ReadOnce(pl_module, self._read, own)

    def _read(self, configuration: Any) -> Any:
        self._configs = []
        if configuration is None:
            return None
        optimizers, schedulers, monitor = _configure_optimizers(configuration)
        given = [self._with_monitor(scheduler, monitor) for scheduler in schedulers]
        self._configs = _configure_schedulers_automatic_opt(given, None)
        return optimizers, [{"scheduler": config.scheduler} for config in self._configs]

    def _with_monitor(self, scheduler: Any, monitor: str | None) -> dict[str, Any]:
        config = dict(scheduler) if isinstance(scheduler, Mapping) else {"scheduler": scheduler}
        if isinstance(config.get("scheduler"), ReduceLROnPlateau) or config.get("reduce_on_plateau"):
            own = getattr(config["scheduler"], "monitor", None)  # Lightning's ReduceLROnPlateau for YAML
            config["monitor"] = config.get("monitor") or monitor or own or self.monitor
        return config

    @property
    def given(self) -> Sequence[LRSchedulerConfig]:
        """Those of ``configure_optimizers``; `StochasticWeightAveraging` puts its own in their place in the Trainer."""
        return tuple(self._configs)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Give Lightning the whole configuration, unless an average that goes on has removed it."""
        if trainer.lr_scheduler_configs:
            trainer.strategy.lr_scheduler_configs = list(self._configs)

    def after_optimizer_step(self, trainer: Trainer, count: int, terms: Sequence[str], losses: Tensor) -> None:
        """Step the schedules with interval "step".

        Args:
            count: Number of optimizer steps taken.
            terms: Names of the m loss terms.
            losses: Those of this step, (m,): a schedule must not take those of the last logged step for them.
        """
        step_schedulers(trainer, "step", count)
        if any(watches_value(config) for config in due(trainer, "step", count)):
            trainer.callback_metrics.update({f"loss/{term}": loss for term, loss in zip(terms, losses, strict=True)})
            self._waiting["step"] = count

    def before_optimizer_step(self, trainer: Trainer) -> None:
        """Step the schedules whose value has been waited for."""
        for interval, count in list(self._waiting.items()):
            del self._waiting[interval]
            for config in due(trainer, interval, count):
                if watches_value(config) and (interval == "step" or self._is_late(config)):
                    self._step_by_value(trainer, config)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Tell torch that the optimizer of a resumed run has stepped: it would warn of a schedule that steps first."""
        if trainer.global_step:
            for optimizer in trainer.optimizers:
                optimizer._opt_called = True  # type: ignore[attr-defined]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Step, unless the run stopped within the epoch, or resumed from the end of an epoch already counted."""
        if not (trainer.is_last_batch and trainer.global_step > self._stepped_at):
            return
        self._epochs, self._stepped_at = self._epochs + 1, trainer.global_step
        self.before_optimizer_step(trainer)
        step_schedulers(trainer, "epoch", self._epochs)
        for config in due(trainer, "epoch", self._epochs):
            if not watches_value(config):
                continue
            if self._value(trainer, str(config.monitor)) is None:
                self._late.add(str(config.monitor))
            if self._is_late(config):
                self._waiting["epoch"] = self._epochs
            else:
                self._step_by_value(trainer, config)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Step the schedules that still wait."""
        self.before_optimizer_step(trainer)
        self._values = {}

    def _is_late(self, config: LRSchedulerConfig) -> bool:
        return str(config.monitor) in self._late

    def _step_by_value(self, trainer: Trainer, config: LRSchedulerConfig) -> None:
        name = str(config.monitor)
        value = self._value(trainer, name)
        if value is not None:
            trainer.lightning_module.lr_scheduler_step(config.scheduler, value)
            return
        kind, metrics = type(config.scheduler).__name__, sorted(trainer.callback_metrics)
        message = f"`monitor` of {kind} must be a logged value, got {name!r}. Logged are: {metrics}."
        every = trainer.check_val_every_n_epoch
        if name.startswith("val/") and every is not None and every > 1:
            message += (
                f" With `check_val_every_n_epoch` {every}, the first validation is after epoch {every}, and the "
                f"schedule steps before it. Write 1, or give it `frequency` {every} in `configure_optimizers`."
            )
        if config.strict:
            raise MisconfigurationException(message)
        rank_zero_warn(f"{message} The schedule is not stepped, since `strict` is False.")

    def _value(self, trainer: Trainer, name: str) -> float | None:
        value = trainer.callback_metrics.get(name, self._values.get(name))
        return None if value is None else float(value)

    def state_dict(self) -> dict[str, Any]:
        """Number of completed epochs, the optimizer step at which the last one ended, and what waits for a value."""
        found: dict[str, Any] = {"epochs": self._epochs, "stepped_at": self._stepped_at}
        if any(watches_value(config) for config in self._configs):
            found |= {"waiting": dict(self._waiting), "late": sorted(self._late), "values": dict(self._values)}
        return found

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Keep the values that are watched: a resumed run may step before it has logged them."""
        key = self.state_key
        names = {str(config.monitor) for config in self._configs if watches_value(config)}
        values = {name: value for name in names if (value := self._value(trainer, name)) is not None}
        if values and key in checkpoint.get("callbacks", {}):
            checkpoint["callbacks"][key]["values"] = values

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._epochs, self._stepped_at = state_dict["epochs"], state_dict["stepped_at"]
        self._waiting = dict(state_dict.get("waiting", {}))
        self._late, self._values = set(state_dict.get("late", ())), dict(state_dict.get("values", {}))
