"""Which optimizer step Lightning, a logger or a callback must see next.

Steps are counted from 0: step s takes ``global_step`` from s to s + 1.
"""

import math
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    DeviceStatsMonitor,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
    Timer,
    TQDMProgressBar,
    WeightAveraging,
)
from lightning.pytorch.core.hooks import ModelHooks

HOOKS = ("on_train_batch_start", "on_train_batch_end")
BAR_STEPS = 20  # a progress bar need not move more often


def next_due_step(trainer: Trainer, step: int, steps_per_call: int) -> int:
    """The first step from ``step`` on around which the hooks of Lightning's loop have something to do.

    Args:
        trainer: The Trainer, during ``training_step``.
        step: The number of optimizer steps taken.
        steps_per_call: Progress bars may be that many steps late; no one else is.
    """
    due = _next_of_loop(trainer, step)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        due = min(due, _next_of_callback(callback, trainer, step, steps_per_call))
    if any(_owner(trainer.lightning_module, hook) is not ModelHooks for hook in HOOKS):
        return step
    return int(min(due, step + steps_per_call))


def next_logged_step(step: int, every: int) -> int | None:
    """The first step from ``step`` on that is logged; None if none is.

    Args:
        step: Number of a step.
        every: ``log_every_n_steps`` of the Trainer.
    """
    return step + -step % every if every > 0 else None


def per_step_hooks(trainer: Trainer) -> list[str]:
    """The hooks that are due at every step, such as "`on_train_batch_end` of `MyCallback`"."""
    found = []
    for watcher in [*trainer.callbacks, trainer.lightning_module]:  # type: ignore[attr-defined]
        for hook in HOOKS:
            owner = _owner(watcher, hook)
            if owner in (Callback, ModelHooks) or _rule(watcher, hook) is not _every_step:
                continue
            found.append(f"`{hook}` of `{type(watcher).__name__}`")
    return found


def _next_of_loop(trainer: Trainer, step: int) -> float:
    loop = trainer.fit_loop.epoch_loop
    if trainer.num_training_batches == math.inf:
        return step  # the last batch of the epoch is not known before it comes
    due = step + trainer.num_training_batches - 1 - loop.batch_idx
    if trainer.max_steps >= 0:
        due = min(due, trainer.max_steps - 1)
    every = trainer.val_check_batch
    if trainer.enable_validation and every is not None and every != math.inf:
        done = loop.total_batch_idx if trainer.check_val_every_n_epoch is None else loop.batch_idx
        due = min(due, _end_of_interval(int(every), step, done))
    if trainer.loggers and trainer.log_every_n_steps > 0:  # type: ignore[attr-defined]
        due = min(due, _end_of_interval(trainer.log_every_n_steps, step, loop._batches_that_stepped))  # type: ignore[attr-defined]
    return due


def _next_of_callback(callback: Callback, trainer: Trainer, step: int, steps_per_call: int) -> float:
    due = math.inf
    for hook in HOOKS:
        if _owner(callback, hook) is not Callback:
            due = min(due, _rule(callback, hook)(callback, trainer, step, steps_per_call))
    return due


Rule = Callable[[Any, Trainer, int, int], float]


def _rule(watcher: Callback | LightningModule, hook: str) -> Rule:
    owner = _owner(watcher, hook)
    if owner is None or not isinstance(watcher, Callback):
        return _every_step
    own = next((cls for cls in type(watcher).__mro__ if "next_due_step" in vars(cls)), None)
    if own is not None and issubclass(own, owner):  # not inherited beside a hook that is newer
        return _by_itself
    return _RULES.get(owner, _every_step)


def _owner(watcher: Callback | LightningModule, hook: str) -> type | None:
    """The class that defines the hook; None if the object itself has it, as a ``LambdaCallback``."""
    if hook in vars(watcher):
        return None
    return next(cls for cls in type(watcher).__mro__ if hook in vars(cls))


def _end_of_interval(every: int, step: int, done: int) -> int:
    """The step that completes ``every`` of something of which ``done`` are complete before ``step``."""
    return step + every - 1 - done % every


def _every_step(_: Any, trainer: Trainer, step: int, most: int) -> float:  # noqa: ARG001
    return step


def _never(_: Any, trainer: Trainer, step: int, most: int) -> float:  # noqa: ARG001
    return math.inf


def _by_itself(callback: Any, trainer: Trainer, step: int, most: int) -> float:  # noqa: ARG001
    due = callback.next_due_step(step)
    return math.inf if due is None else float(due)


def _of_checkpoint(callback: Any, trainer: Trainer, step: int, most: int) -> float:  # noqa: ARG001
    every: int = callback._every_n_train_steps
    return _end_of_interval(every, step, step) if every > 0 else math.inf


def _of_average(callback: Any, trainer: Trainer, step: int, most: int) -> float:  # noqa: ARG001
    if _owner(callback, "should_update") is not EMAWeightAveraging:
        return step
    every, first = callback.update_every_n_steps, max(step, callback.update_starting_at_step or 0)
    return first + -first % every if every > 0 else math.inf


def _of_bar(callback: Any, trainer: Trainer, step: int, most: int) -> float:
    rate = callback.refresh_rate if isinstance(callback, TQDMProgressBar) else 1
    if rate == 0:
        return math.inf
    every = math.ceil(max(most, BAR_STEPS) / rate) * rate
    return _end_of_interval(every, step, trainer.fit_loop.epoch_loop.batch_idx)


_RULES: dict[type | None, Rule] = {  # by the class that defines the hook
    ModelCheckpoint: _of_checkpoint,
    WeightAveraging: _of_average,
    TQDMProgressBar: _of_bar,
    RichProgressBar: _of_bar,
    LearningRateMonitor: _never,  # where loggers are due, which every logger's Trainer is asked for
    DeviceStatsMonitor: _never,  # likewise
    Timer: _never,  # by the clock
}
