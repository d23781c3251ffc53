"""Several optimizer steps in one ``training_step``, as if Lightning had made a call for each of them."""

import math
from collections.abc import Iterator
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.model_helpers import is_overridden

from lightning_autobalance.training.due_steps import next_due_step, per_step_hooks

TRANSFER_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def batches_of_call(trainer: Trainer, batch: Any, steps_per_call: int) -> Iterator[Any]:
    """The batches of the optimizer steps of one ``training_step``, one for each step.

    Lightning counts batches where it should count optimizer steps: for epochs, validation intervals, the loggers' axis
    and ``batch_idx``. So every step takes a batch of its own from the loader, and advances these counters. A step after
    which somebody is due (an epoch's end, a validation, a logger, a callback) has a call of its own, so that all hooks
    around it get what they would get with one step per call.

    Args:
        trainer: The Trainer that calls ``training_step``.
        batch: The batch that Lightning fetched for the call, on its device.
        steps_per_call: Largest number of steps.
    """
    steps = _steps_of_call(trainer, steps_per_call)
    yield batch
    transfer = steps > 1 and _needs_transfer(trainer)
    for _ in range(steps - 1):
        if trainer.should_stop or (trainer.received_sigterm and trainer.world_size == 1):
            return
        try:
            batch = _next_batch(trainer, transfer=transfer)
        except StopIteration:  # the loader has fewer batches than its length says
            return
        yield batch


def tell_if_single(trainer: Trainer, steps_per_call: int, *, has_own_step: bool) -> None:
    """Say which hooks are due at every step and thereby limit a call to one step.

    Args:
        trainer: The Trainer, during ``fit``.
        steps_per_call: The number of steps that was set.
        has_own_step: Whether the module overrides ``training_step``.
    """
    reasons = per_step_hooks(trainer)
    if has_own_step:
        reasons.append(f"`training_step` of `{type(trainer.lightning_module).__name__}`")
    if trainer.num_training_batches == math.inf:
        reasons.append("the training dataloader, whose length is not known,")
    if steps_per_call > 1 and reasons:
        rank_zero_info(
            f"`steps_per_call` is {steps_per_call}, but every call takes one step, since {' and '.join(reasons)} must "
            "see each step. A callback with a method `next_due_step(step)` names the steps that it must see."
        )


def _steps_of_call(trainer: Trainer, steps_per_call: int) -> int:
    if steps_per_call == 1 or trainer.should_stop:
        return 1
    step = trainer.global_step
    return max(1, min(steps_per_call, next_due_step(trainer, step, steps_per_call) - step))


def _needs_transfer(trainer: Trainer) -> bool:
    """Whether batches are not on the device yet, or a user's hook would change them."""
    loader = trainer.fit_loop._combined_loader
    if loader is None or not all(getattr(each, "is_on_device", False) for each in loader.flattened):
        return True
    owners = [each for each in (trainer.lightning_module, trainer.datamodule) if each is not None]  # type: ignore[attr-defined]
    return any(is_overridden(hook, owner) for hook in TRANSFER_HOOKS for owner in owners)


def _next_batch(trainer: Trainer, *, transfer: bool) -> Any:
    """What Lightning's loop does between two calls of ``training_step``, where no hook is due."""
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
    batch, _, _ = next(fetcher)  # type: ignore[arg-type]
    progress = loop.batch_progress
    progress.increment_processed()
    progress.increment_completed()
    loop._batches_that_stepped += 1
    progress.is_last_batch = fetcher.done  # type: ignore[union-attr]
    if transfer:
        batch = trainer.precision_plugin.convert_input(batch)
        batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
        batch = trainer.strategy.batch_to_device(batch, dataloader_idx=0)
    progress.increment_ready()
    trainer._logger_connector.on_batch_start(batch)
    progress.increment_started()
    return batch
