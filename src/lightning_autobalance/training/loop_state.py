"""Where in an epoch a run goes on: Lightning's loops take a checkpoint of an epoch's last batch for one within it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lightning.pytorch import Trainer
from lightning.pytorch.loops.evaluation_loop import RestartStage


class Position(NamedTuple):
    """Where a checkpoint was saved.

    Args:
        epoch_ended: Whether the hooks of the epoch's end were called.
        batch_ended: Whether the hooks after the batch were called, those of a validation that was due among them.
    """

    epoch_ended: bool
    batch_ended: bool


def steps_logged(trainer: Trainer) -> int:
    """The loggers' count of steps, with the batch whose end a checkpoint is saved in."""
    loop = trainer.fit_loop.epoch_loop
    counts: Any = loop.batch_progress.total
    return loop._batches_that_stepped + int(trainer.validating or counts.completed < counts.processed)


def validation_is_due(trainer: Trainer) -> bool:
    """Whether Lightning validates after this batch, also where the run does not end with it."""
    stops, trainer.should_stop = trainer.should_stop, False
    due = trainer.fit_loop.epoch_loop._should_check_val_fx(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]
    trainer.should_stop = stops
    return due


def normalise(loops: dict[str, Any], saved: Mapping[str, Any], step: int) -> Position:
    """Write the state of Lightning's fit loop as it is between two batches, or between two epochs.

    Lightning saves within its hooks, and guesses from half counted events what is left to do: it then trains an epoch
    of a single batch, or leaves out a validation or the end of an epoch. The end of a run within an epoch is no end of
    the epoch where it goes on.

    Args:
        loops: The ``fit_loop`` of a checkpoint, modified in place.
        saved: ``ended_at`` and ``logged`` of `EpochEnd`; older checkpoints have none.
        step: Number of optimizer steps taken.
    """
    epochs, batches = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    batch_ended = batches["total"]["completed"] == batches["total"]["processed"]
    for count in (batches["total"], batches["current"]):
        count["completed"] = count["processed"]
    loops["epoch_loop.state_dict"]["_batches_that_stepped"] = saved.get("logged", batches["total"]["processed"])
    processed = epochs["current"]["processed"] == epochs["current"]["ready"]
    epoch_ended = processed and batches["is_last_batch"] and saved.get("ended_at", step) == step
    for count in (epochs["total"], epochs["current"]):
        count["started"] = count["ready"]
        count["processed"] = count["completed"] = count["ready"] - int(not epoch_ended)
    return Position(epoch_ended, batch_ended)


def go_on(trainer: Trainer, position: Position) -> None:
    """Let Lightning do from a position what an uninterrupted run does from it; called as training starts.

    Args:
        trainer: Has loaded what `normalise` wrote.
        position: From `normalise`.
    """
    loop = trainer.fit_loop.epoch_loop
    if position.epoch_ended:
        loop.restarting = False
        trainer.fit_loop._resuming_from_checkpoint = False  # the next epoch makes its iterator, as others do
    elif validation_is_due(trainer):
        loop._batches_that_stepped -= 1  # Lightning goes through the end of the batch again, and validates if told to
        if not position.batch_ended:
            loop.val_loop._restart_stage = RestartStage.RESTARTED_MID_EVALUATION
            loop.val_loop.batch_progress.reset_on_run()
    elif loop._num_ready_batches_reached():
        loop.val_loop._has_run = True  # else Lightning trains one more batch


def leave_epoch(trainer: Trainer) -> None:
    """At the end of an epoch nothing is left of a restart, also where no batch was left of the epoch."""
    trainer.fit_loop.epoch_loop.restarting = False
