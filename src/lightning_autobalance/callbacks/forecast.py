"""How long a run will take, said after its first seconds."""

import time
from math import isfinite
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from lightning_autobalance.callbacks.peak_memory import peak_memory
from lightning_autobalance.module import PINNModule
from lightning_autobalance.training.compile_rule import finishing_steps, steps_of_run

WARM = 20  # steps that are not measured: one of them may compile
MEASURED = 3.0  # seconds
WORTH = 60.0  # seconds left from which it is said


class Forecast(Callback):
    """Says in one line how long a run of more than a minute will take, and how much memory it has taken.

    The time is that of the steps before a finish, whose steps are others, as measured over a few seconds after the
    first 20 steps.
    """

    def __init__(self) -> None:
        self._due: int | None = None
        self._from: tuple[float, int] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin to measure after the first steps."""
        self._due, self._from = trainer.global_step + WARM, None

    def next_due_step(self, step: int) -> int | None:
        """The next step at which the time is read; None after it was said."""
        return None if self._due is None else max(self._due, step)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        """Read the time, and say what follows from it."""
        step = trainer.global_step
        if self._due is None or step <= self._due or not isinstance(pl_module, PINNModule):
            return
        now = time.monotonic()
        if self._from is None:
            self._from, self._due = (now, step), step + WARM
            return
        seconds, steps = now - self._from[0], step - self._from[1]
        if seconds < MEASURED:
            self._due = step + steps  # twice as many
            return
        self._due = None
        self._say(trainer, pl_module, steps / seconds)

    @rank_zero_only
    def _say(self, trainer: Trainer, module: PINNModule, speed: float) -> None:
        whole = steps_of_run(trainer.max_steps, trainer.max_epochs, trainer.num_training_batches)
        if not isfinite(whole):
            return
        finish = min(finishing_steps(module.finish, trainer.max_steps), int(whole))
        if (left := whole - finish - trainer.global_step) / speed < WORTH:
            return
        mebibytes = peak_memory(module.device) / 2**20
        message = forecast(int(left), speed, finish, mebibytes)
        bar = trainer.progress_bar_callback
        if isinstance(bar, TQDMProgressBar) and bar.is_enabled:
            bar.print(message)
        else:
            rank_zero_info(message)


def forecast(left: int, speed: float, finish: int = 0, mebibytes: float = 0.0) -> str:
    """The sentence.

    Args:
        left: Steps before the finish.
        speed: Steps per second.
        finish: Steps of the finish.
        mebibytes: Peak memory so far; 0 where it is not known.
    """
    before = f" before the {finish:,} of the finish" if finish else ""
    memory = f"; memory so far: {mebibytes:,.0f} MiB" if mebibytes else ""
    return f"About {in_words(left / speed)} for the {left:,} steps left{before}, at {speed:,.3g} steps/s{memory}."


def in_words(seconds: float) -> str:
    """A duration for people.

    Args:
        seconds: Its length.
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
