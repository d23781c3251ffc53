"""What happens to a step whose losses or gradients are not finite: it is not taken."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_warn

from lightning_autobalance import gradients
from lightning_autobalance.shapes import Losses


class StepGuard:
    """Lets finite steps pass; stops at others, or skips and counts them.

    Args:
        limit: How many steps in a row may be skipped; 0 stops at the first.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.skipped = 0
        self._in_a_row = 0

    def passes(
        self, trainer: Trainer, terms: Sequence[str], values: Losses, blocks: gradients.Blocks, step: int
    ) -> bool:
        """Whether the step may be taken; reads one number from the device.

        Args:
            trainer: Has the optimizer and the checkpoints.
            terms: Names of the loss terms.
            values: One loss per term, (m,).
            blocks: The gradients, one per parameter, (m, *shape).
            step: Its number.

        Raises:
            NonFiniteError: If it is not finite and must not be skipped, or the learning rate is not finite.
        """
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        if isinstance(lr, float) and not isfinite(lr):
            raise gradients.NonFiniteError(f"`lr` must be finite, got {lr} at step {step}. Look at the schedule.")
        if gradients.are_finite(values, blocks):
            self._in_a_row = 0
            return True
        error = gradients.non_finite_error(terms, values, blocks, step=step, lr=float(lr))
        self._in_a_row += 1
        if self._in_a_row > self.limit:
            tried = f" {self.limit} steps before it were skipped." if self.limit else ""
            raise gradients.NonFiniteError(f"{error}{tried} {last_checkpoint(trainer)}")
        self.skipped += 1
        if self.skipped == 1:
            rank_zero_warn(f"Step {step} is skipped, as others will be that are like it. {error}")
        return False

    def state_dict(self) -> dict[str, int]:
        """The counts, for the checkpoint."""
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back.

        Args:
            state: What `state_dict` gave.
        """
        self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]


def last_checkpoint(trainer: Trainer) -> str:
    """Where it lies, in a sentence.

    Args:
        trainer: Has the checkpoints.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        path = getattr(callback, "last_model_path", "") or getattr(callback, "best_model_path", "")
        if isinstance(callback, Checkpoint) and path:
            return f"The last checkpoint is {path}."
    return "There is no checkpoint yet."
