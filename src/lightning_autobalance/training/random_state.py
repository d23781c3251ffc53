"""The states of the random number generators, so that a resumed run draws the numbers of the uninterrupted one."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_autobalance.utils.distributed import gather_objects, rank
from lightning_autobalance.utils.generators import random_state, set_random_state


class RandomState(Callback):
    """Saves the states of all generators in every process, and restores them before the first step of a resumed run.

    Nothing is drawn, so that an uninterrupted run has the numbers that it has without this callback. Where a checkpoint
    holds the states of fewer processes, the others keep theirs.
    """

    def __init__(self) -> None:
        self._loaded: list[dict[str, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Restore the states of a checkpoint; until now, checks and data loaders may have drawn numbers."""
        if rank() < len(self._loaded):
            set_random_state(self._loaded[rank()])
        self._loaded = []

    def state_dict(self) -> dict[str, Any]:
        """The states by process; collective."""
        return {"ranks": gather_objects(random_state())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states of a checkpoint until training starts."""
        self._loaded = state_dict["ranks"]
