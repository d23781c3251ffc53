"""The last state of a run, beside the checkpoints that a user chooses to keep."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``last.ckpt`` and no other file.

    Its class name is part of the key of its state, so that it stands beside any other ``ModelCheckpoint``.
    """

    def __init__(self) -> None:
        super().__init__(save_last=True)

    def _save_topk_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Any]) -> None:  # noqa: ARG002
        self._last_global_step_saved = trainer.global_step  # Lightning then saves ``last.ckpt``


def missing_checkpoint(given: Sequence[Callback]) -> ModelCheckpoint | None:
    """The callback that keeps ``last.ckpt``, unless one of the given callbacks does.

    Args:
        given: The callbacks that the user has chosen.
    """
    if any(isinstance(callback, ModelCheckpoint) and callback.save_last for callback in given):
        return None
    if any(isinstance(callback, Checkpoint) for callback in given):
        return LastCheckpoint()
    return ModelCheckpoint(save_last=True, filename="step={step}", auto_insert_metric_name=False)
