"""Progress bars that show the loss terms, with no need for `self.log` in the training step."""

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar, TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

from lightning_autobalance.training.compile_rule import steps_of_run

BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}]"
MOST_LINES = 6  # of numbers
SECONDS = 0.2  # between two updates, where steps are long


class _LossesInMetrics(ProgressBar):
    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        given = {name: x for name, x in super().get_metrics(trainer, pl_module).items() if name != "v_num"}
        errors = {name: x for name, x in given.items() if name.startswith("val/")}
        first = sorted(errors, key=lambda name: not name.startswith("val/rel_l2"))
        latest: dict[str, float] = getattr(pl_module, "latest", {})
        losses = {name: f"{value:.2e}" for name, value in latest.items() if name.startswith("loss/")}
        return {name: errors[name] for name in first} | losses | given


class LossProgressBar(_LossesInMetrics, TQDMProgressBar):
    """Lightning's tqdm progress bar over the whole run, with validation errors and losses on lines of their own.

    The time left is that of all steps up to ``max_steps`` or ``max_epochs``. In a terminal, the numbers wrap at its
    width, so that none is cut off and the bar keeps its length; in a file or a notebook, they follow the bar.

    Args:
        refresh_rate: Number of optimizer steps between two updates of the bar; long steps update it more often.
        process_position: Line offset of the bar in the terminal, for several bars.
        leave: Keep the bar on the screen after the run.
    """

    def __init__(self, refresh_rate: int = 20, process_position: int = 0, leave: bool = False) -> None:
        super().__init__(refresh_rate=refresh_rate, process_position=process_position, leave=leave)
        self._lines: list[Any] = []
        self._updated = 0.0

    def init_train_tqdm(self) -> Tqdm:
        """A bar over all steps of the run."""
        trainer = self.trainer
        total = steps_of_run(trainer.max_steps, trainer.max_epochs, trainer.num_training_batches)
        return Tqdm(
            desc="Step",
            total=int(total) if math.isfinite(total) else None,
            initial=trainer.global_step,
            position=2 * self.process_position,
            disable=self.is_disabled,
            leave=self._leave,
            dynamic_ncols=True,
            file=sys.stdout,
            bar_format=BAR if self._has_lines else self.BAR_FORMAT,
        )

    def init_validation_tqdm(self) -> Tqdm:
        """No bar within that of training: a validation is short."""
        if self.trainer.state.fn == "validate":
            return super().init_validation_tqdm()
        return Tqdm(disable=True)

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Nothing: the bar is that of the run."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Move the bar."""
        step, now = trainer.global_step, time.monotonic()
        due = step % self._every == 0 or step == self.train_progress_bar.total or now >= self._updated + SECONDS
        if self.is_enabled and due:
            self._updated = now
            self._show(trainer, pl_module)

    def next_due_step(self, step: int) -> int | None:
        """The step after which the bar moves; None where it is off."""
        return step + self._every - 1 - step % self._every if self.refresh_rate > 0 else None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the numbers of this epoch."""
        self._show(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the errors."""
        self.val_progress_bar.close()
        self.reset_dataloader_idx_tracker()
        if self._train_progress_bar is not None and trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._show(trainer, pl_module)

    def on_train_end(self, *_: Any) -> None:
        """Close the bar and its lines."""
        for line in reversed(self._lines):
            line.close()
        self._lines = []
        self.train_progress_bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Close the lines, so that what is printed next begins on one of its own."""
        if self._train_progress_bar is not None:
            self.on_train_end()

    @property
    def _every(self) -> int:
        return math.ceil(20 / max(self.refresh_rate, 1)) * max(self.refresh_rate, 1)

    @property
    def _has_lines(self) -> bool:
        return sys.stdout.isatty() and self.process_position == 0

    def _show(self, trainer: Trainer, module: LightningModule) -> None:
        bar = self.train_progress_bar
        if bar.disable:
            return
        bar.n = trainer.global_step
        metrics = self.get_metrics(trainer, module)
        if not self._has_lines:
            bar.set_postfix(metrics)
            return
        bar.refresh()
        shown = wrapped(metrics, bar.ncols or 80)
        while len(self._lines) < len(shown):
            place = len(self._lines) + 1
            self._lines.append(
                Tqdm(position=place, leave=False, dynamic_ncols=True, file=sys.stdout, bar_format="{desc}")
            )
        for i, line in enumerate(self._lines):
            line.set_description_str(shown[i] if i < len(shown) else "")

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_lines": []}


def wrapped(metrics: Mapping[str, Any], width: int) -> list[str]:
    """Names and numbers in lines of a width.

    Args:
        metrics: By name; the first ones come first.
        width: In characters.
    """
    lines: list[str] = []
    for name, value in metrics.items():
        word = f"{name} {value:.2e}" if isinstance(value, float) else f"{name} {value}"
        if lines and len(lines[-1]) + 3 + len(word) < width:
            lines[-1] += f"   {word}"
        else:
            lines.append(f"  {word}")
    return [line[: width - 1] for line in lines[:MOST_LINES]]


class RichLossProgressBar(_LossesInMetrics, RichProgressBar):
    """Lightning's rich progress bar, with the losses of the latest logged step next to the validation errors.

    Args:
        refresh_rate: Number of batches between two updates of the bar.
        leave: Keep the bar of each epoch on the screen.
    """

    def __init__(self, refresh_rate: int = 20, leave: bool = False) -> None:
        super().__init__(refresh_rate=refresh_rate, leave=leave)
