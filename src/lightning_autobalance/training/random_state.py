"""The states of the random number generators, so that a resumed run draws the numbers of the uninterrupted one."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_autobalance.utils.distributed import gather_objects, rank


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


def random_state() -> dict[str, Any]:
    """The states of the global generators of python, numpy, and torch on every device, as tensors and numbers.

    No GPU was ever used to test those of CUDA.
    """
    _, keys, *others = np.random.get_state()
    version, words, gauss = random.getstate()
    return {
        "python": [version, torch.tensor(words), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), *others],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` gave.

    Args:
        state: Its result; states of devices that are not here are left out.
    """
    version, words, gauss = state["python"]
    keys, *others = state["numpy"]
    random.setstate((version, tuple(words.tolist()), gauss))
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *others))
    torch.set_rng_state(state["torch"])
    for device, found in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(found, device)
