"""A resumed run goes on where the checkpoint was saved: no end of an epoch, and no validation, is lost or doubled."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from lightning_autobalance.training.loop_state import (
    Position,
    go_on,
    leave_epoch,
    normalise,
    steps_logged,
    validation_is_due,
)

KEY = "lightning_autobalance_epoch_end"  # in a checkpoint


class EpochEnd(Callback):
    """Saves where in an epoch the run is, and its metrics, which Lightning does not, and goes on from there.

    A run that ends within an epoch validates once more. A longer run does not, so it goes on from the metrics, and with
    the ``EarlyStopping``, before that. A run that ``EarlyStopping`` has ended stays ended.
    """

    def __init__(self) -> None:
        self._ended_at = -1  # the optimizer step of the last end
        self._position: Position | None = None
        self._metrics: dict[str, Any] = {}
        self._before: dict[str, Any] = {}  # before what is only done because the run ends here

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put back the metrics and the position."""
        trainer.callback_metrics.update(self._metrics)
        if self._position is not None:
            go_on(trainer, self._position)
            reasons = {callback.stopping_reason for callback in trainer.early_stopping_callbacks}
            trainer.should_stop = trainer.should_stop or bool(reasons - {EarlyStoppingReason.NOT_STOPPED})
        self._metrics, self._position = {}, None

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Remember what was before a validation that is only due because the run ends."""
        if trainer.should_stop and not trainer.sanity_checking and not validation_is_due(trainer):
            self._before["metrics"] = _metrics(trainer)
            self._remember(trainer, at_epoch_end=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Remember the step, and what was before the end of a run within an epoch."""
        self._ended_at = trainer.global_step
        if not trainer.is_last_batch:
            self._remember(trainer, at_epoch_end=True)
        leave_epoch(trainer)

    def _remember(self, trainer: Trainer, *, at_epoch_end: bool) -> None:
        checks = [each for each in trainer.early_stopping_callbacks if each._check_on_train_epoch_end == at_epoch_end]
        self._before.setdefault("callbacks", {}).update({each.state_key: each.state_dict() for each in checks})

    def on_save_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Save the metrics, and what the loops do not say of the position."""
        found = {"metrics": _metrics(trainer), "ended_at": self._ended_at, "logged": steps_logged(trainer)}
        checkpoint[KEY] = found | self._before

    def on_load_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep them until training starts; a checkpoint without them still loads."""
        loops = checkpoint.get("loops", {}).get("fit_loop")
        if not loops or trainer.state.fn != "fit":
            return
        saved = checkpoint.get(KEY, {})
        self._metrics, self._ended_at = dict(saved.get("metrics", {})), saved.get("ended_at", -1)
        self._position = normalise(loops, saved, checkpoint["global_step"])
        checkpoint["callbacks"].update(saved.get("callbacks", {}))


def _metrics(trainer: Trainer) -> dict[str, Any]:
    return {name: value.detach().cpu() for name, value in trainer.callback_metrics.items()}
