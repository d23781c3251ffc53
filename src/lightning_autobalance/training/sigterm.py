"""A last checkpoint when the process is asked to end."""

from itertools import count

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException


class SaveOnTermination(Callback):
    """On SIGTERM, saves the ``last.ckpt`` of every ``ModelCheckpoint`` that has one, so that no step is lost.

    Lightning ends a run on SIGTERM, which cluster schedulers send before they take a machine away, between two
    batches: weights, optimizer and loops agree there, and the resumed run equals the uninterrupted one.

    Note:
        With ``save_last="link"`` a file takes the place of the link: what the link points to may be the best
        checkpoint so far, and stays.
    """

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Save where the reason is SIGTERM; after another error, or Ctrl-C in mid-step, states need not agree."""
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
    """Where a ``ModelCheckpoint`` keeps its last state: where it did so before, or under a name not taken yet.

    Args:
        trainer: Is training.
        callback: Has ``save_last``.
    """
    if callback.last_model_path:
        return callback.last_model_path
    names = (
        callback.format_checkpoint_name(dict(trainer.callback_metrics), callback.CHECKPOINT_NAME_LAST, ver=ver or None)
        for ver in count()
    )
    return next(name for name in names if not callback.file_exists(name, trainer))


def validate_again(trainer: Trainer) -> None:
    """Let a resumed run begin the interrupted validation anew; the metrics so far are in no checkpoint.

    Args:
        trainer: Was stopped between two batches of a validation.
    """
    progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
    progress.total.processed -= 1  # type: ignore[attr-defined] # by these Lightning sees that a batch was under way
    progress.total.completed -= 1
    progress.current.reset()


def last_checkpoint(trainer: Trainer) -> str:
    """A sentence that says where the last checkpoint is."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        path = getattr(callback, "last_model_path", "") or getattr(callback, "best_model_path", "")
        if isinstance(callback, Checkpoint) and path:
            return f"The last checkpoint is {path}."
    return "There is no checkpoint yet."
