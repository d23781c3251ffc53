"""A run as long as the paper's needs no more memory at its end than at its beginning."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from helpers.toys import Decay, fit, points
from lightning_autobalance.callbacks import BalanceMonitor


class Memory(Callback):
    """The resident size in bytes after some steps."""

    def __init__(self, *steps: int) -> None:
        self.steps = steps
        self.sizes: dict[int, int] = {}

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step in self.steps:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.sizes[trainer.global_step] = pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
def test_thirty_thousand_steps_hold_their_memory(tmp_path: Path) -> None:
    memory, module = Memory(5_000, 30_000), Decay(compile=False)
    fit(
        module,
        tmp_path,
        points(module, steps_per_epoch=1000, resample_every=500),
        max_steps=30_000,
        enable_checkpointing=True,
        logger=TensorBoardLogger(tmp_path),
        log_every_n_steps=50,
        callbacks=[memory, BalanceMonitor(), ModelCheckpoint(tmp_path, save_last=True)],
    )
    early, late = memory.sizes.values()
    sys.stderr.write(f"{early / 1e6:.1f} MB after 5,000 steps, {late / 1e6:.1f} MB after 30,000\n")
    assert late <= 1.02 * early
