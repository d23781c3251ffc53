"""A last checkpoint on SIGTERM, after a step on which all processes agree."""

from itertools import count
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor


class SaveOnTermination(Callback):
    """On SIGTERM, saves ``last.ckpt`` of every ``ModelCheckpoint`` with ``save_last``, so that no step is lost.

    Cluster schedulers send SIGTERM before they reclaim a machine. Lightning then ends the run between two batches,
    where weights, optimizer and loops are consistent, so that the resumed run equals the uninterrupted one.

    In several processes, Lightning's handler starts a collective of its own wherever the signal finds the process; the
    others, in another collective, never join it. Here the signal is only noted. It travels with the gradients of the
    next step (`reduce_over_ranks`), after which all processes stop.

    Note:
        With ``save_last="link"`` a file replaces the link; the file that the link points to, which may be the best
        checkpoint, is kept.
    """

    def __init__(self) -> None:
        self.received = False  # by this process, one of several

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note the signal instead of Lightning's handler, which is registered after this hook."""
        self.received = False
        if trainer.world_size > 1:
            vars(trainer._signal_connector)["_sigterm_notifier_fn"] = self._note

    def _note(self, *_: Any) -> None:
        self.received = True

    def stop(self, trainer: Trainer, agreed: bool | Tensor) -> None:
        """Let Lightning end the run after this batch, in all processes.

        Args:
            trainer: The Trainer of this process.
            agreed: Whether any process received the signal: the same in all of them.
        """
        if agreed:
            trainer._signal_connector.received_sigterm = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Save if the exception is SIGTERM; after other errors, or Ctrl-C within a step, states may be inconsistent."""
        if not isinstance(exception, SIGTERMException) or trainer.fast_dev_run or trainer.sanity_checking:  # type: ignore[attr-defined]
            return
        if trainer.validating:
            validate_again(trainer)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.save_last:
                callback.last_model_path = last_path(trainer, callback)  # before saving: it is part of the state
                trainer.save_checkpoint(callback.last_model_path, callback.save_weights_only)
                rank_zero_info(
                    f"SIGTERM: stopped after step {trainer.global_step}. Go on with "
                    f"`--ckpt_path {callback.last_model_path}`."
                )


def last_path(trainer: Trainer, callback: ModelCheckpoint) -> str:
    """The path of a ``ModelCheckpoint``'s last checkpoint: the one used before, or the first that does not exist.

    Args:
        trainer: The Trainer that runs the callback.
        callback: A callback with ``save_last``.
    """
    if callback.last_model_path:
        return callback.last_model_path
    names = (
        callback.format_checkpoint_name(dict(trainer.callback_metrics), callback.CHECKPOINT_NAME_LAST, ver=ver or None)
        for ver in count()
    )
    return next(name for name in names if not callback.file_exists(name, trainer))


def validate_again(trainer: Trainer) -> None:
    """Let a resumed run restart the interrupted validation, whose partial metrics are not saved.

    Args:
        trainer: A Trainer stopped between two batches of a validation.
    """
    progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
    progress.total.processed -= 1  # type: ignore[attr-defined] # tells Lightning that a batch was in progress
    progress.total.completed -= 1
    progress.current.reset()


def last_checkpoint(trainer: Trainer) -> str:
    """A sentence with the path of the last checkpoint, for error messages."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        path = getattr(callback, "last_model_path", "") or getattr(callback, "best_model_path", "")
        if isinstance(callback, Checkpoint) and path:
            return f"The last checkpoint is {path}."
    return "There is no checkpoint yet."
