"""`python -m benchmarks loop_cost`: what `fit` adds to the arithmetic of a Helmholtz step.

Chunks of a bare torch loop and of `fit`, with the balance monitor and without, alternate in one process on one thread.
"""

import argparse
import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.problems import Helmholtz2D
from lightning_autobalance.utils.malloc import keep_freed_memory

POINTS = {"interior": 2000, "boundary": 400}
WARM_UP = 20


class Clock(Callback):
    """Seconds per step after a warm-up."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_before_optimizer_step(self, *_: Any) -> None:
        """Record the time."""
        self.marks.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """Mean over the steps after the warm-up."""
        return (self.marks[-1] - self.marks[WARM_UP]) / (len(self.marks) - 1 - WARM_UP)


def bare_loop(steps: int) -> float:
    """Seconds per step of a plain torch loop with the same losses, gradients and optimizer.

    Args:
        steps: Number of timed steps, after the warm-up.
    """
    module = Helmholtz2D()
    points = CollocationPoints(POINTS, seed=0).draw(module.domain, 0)
    optimizer = AutoAdamW(module.parameters())
    start = 0.0
    for step in range(steps + WARM_UP):
        if step == WARM_UP:
            start = time.perf_counter()
        optimizer.zero_grad()
        backward(module.losses(points), module.parameters(), shared=False)
        optimizer.step()
    return (time.perf_counter() - start) / steps


def fit(steps: int, folder: str, *, monitor: bool = True, **options: Any) -> float:
    """Seconds per step of `Trainer.fit` with the balance monitor and TensorBoard at their defaults.

    Args:
        steps: Number of timed steps, after the warm-up.
        folder: Folder of the logs.
        monitor: Whether the balance monitor runs.
        **options: Arguments of the module.
    """
    clock = Clock()
    trainer = Trainer(
        max_steps=steps + WARM_UP,
        accelerator="cpu",
        devices=1,
        logger=TensorBoardLogger(folder, name="", version=""),
        callbacks=[*([BalanceMonitor()] if monitor else []), clock],
        enable_model_summary=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        limit_val_batches=0,
        default_root_dir=folder,
    )
    trainer.fit(Helmholtz2D(**options), CollocationPoints(POINTS, seed=0))
    return clock.seconds


def measure(repeats: int, steps: int) -> dict[str, Any]:
    """Milliseconds per step, and medians and ranges of the ratios of `fit` to others and to itself compiled.

    Args:
        repeats: Number of pairs of chunks.
        steps: Timed steps of each.
    """
    pairs, monitored, compiled = [], [], []
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(repeats):
            before, inside, after = bare_loop(steps), fit(steps, folder), bare_loop(steps)
            pairs.append((1e3 * (before + after) / 2, 1e3 * inside))
            without = [fit(steps, folder, monitor=False) for _ in range(2)]
            monitored.append(2 * fit(steps, folder) / sum(without))
            around = [fit(steps, folder), fit(steps, folder, compile=True), fit(steps, folder)]
            compiled.append(2 * around[1] / (around[0] + around[2]))
    ratios, monitored, compiled = sorted(b / a for a, b in pairs), sorted(monitored), sorted(compiled)
    return {
        "bare_ms": round(statistics.median(a for a, _ in pairs), 3),
        "fit_ms": round(statistics.median(b for _, b in pairs), 3),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        "monitor_ratio": round(statistics.median(monitored), 3),
        "monitor_ratio_range": [round(monitored[0], 3), round(monitored[-1], 3)],
        "compiled_ratio": round(statistics.median(compiled), 3),
        "compiled_ratio_range": [round(compiled[0], 3), round(compiled[-1], 3)],
        "repeats": repeats,
        "steps": steps,
        "torch": torch.__version__,
    }


def main(args: list[str]) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks loop_cost", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/speed/loop.json"))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args(args)
    torch.set_num_threads(1)
    found = measure(arguments.repeats, arguments.steps)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    Console().print(found)
