"""The end of an epoch, from which a run is resumed: Lightning goes through it again, without its metrics."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

KEY = "lightning_autobalance_epoch_end"  # in a checkpoint


class EpochEnd(Callback):
    """Makes the end of an epoch count once, for callbacks that monitor a metric.

    A checkpoint of the end of an epoch is resumed within it: Lightning calls ``on_train_epoch_end`` again. It has not
    saved the metrics, on which ``EarlyStopping`` then fails; with them, it would count the same validation twice.
    """

    def __init__(self) -> None:
        self._ended_at = -1  # the optimizer step of the last end
        self._resumed_at = -1  # that of the checkpoint, if it was saved after its end
        self._metrics: dict[str, Any] = {}
        self._paused: list[EarlyStopping] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put back the metrics."""
        trainer.callback_metrics.update(self._metrics)
        self._metrics = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """At an end that has been counted, let no check count it again, except one that has ended the run."""
        if trainer.global_step == self._resumed_at:
            for callback in trainer.early_stopping_callbacks:
                if callback._check_on_train_epoch_end and callback.stopping_reason is EarlyStoppingReason.NOT_STOPPED:
                    callback._check_on_train_epoch_end = False
                    self._paused.append(callback)
        self._ended_at = trainer.global_step

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Check again from here on."""
        self._go_on()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Check again in the next run."""
        self._go_on()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Check again in the next run."""
        self._go_on()

    def _go_on(self) -> None:
        for callback in self._paused:
            callback._check_on_train_epoch_end = True
        self._paused = []

    def on_save_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Save the metrics, and whether this is after the end of an epoch."""
        metrics = {name: value.detach().cpu() for name, value in trainer.callback_metrics.items()}
        checkpoint[KEY] = {"metrics": metrics, "ended_at": self._ended_at}

    def on_load_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep them until training starts; a checkpoint without them still loads."""
        found = checkpoint.get(KEY, {"metrics": {}, "ended_at": -1})
        self._metrics, self._ended_at = dict(found["metrics"]), found["ended_at"]
        self._resumed_at = found["ended_at"] if found["ended_at"] == checkpoint["global_step"] else -1
