"""`python -m benchmarks ddp_cost`: a step of two processes beside one of one, on this machine's CPU.

Runs of one process with one thread and of two processes with one thread each alternate, on the same points in all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from rich.console import Console

from benchmarks.loop_cost import Clock

OUT = Path("results/speed/ddp.json")
CALLBACKS = [
    {"class_path": "lightning_autobalance.callbacks.BalanceMonitor"},
    {"class_path": "benchmarks.ddp_cost.TimeFile"},
]


class TimeFile(Clock):
    """Writes the seconds per step to the file that the environment names."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Write the file, in the main process only."""
        if trainer.is_global_zero:
            Path(os.environ["CLOCK_FILE"]).write_text(str(self.seconds))


def seconds(processes: int, each: int, steps: int) -> float:
    """Seconds per optimizer step of a run through the command line.

    Args:
        processes: Number of processes.
        each: Optimizer steps per ``training_step``.
        steps: Optimizer steps.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "lightning_autobalance", "fit", "--config=configs/helmholtz_2d.yaml"),
            *(f"--trainer.devices={processes}", f"--trainer.max_steps={steps}", f"--trainer.default_root_dir={folder}"),
            *(["--trainer.strategy=ddp"] if processes > 1 else []),
            *("--trainer.accelerator=cpu", "--trainer.logger=false", "--trainer.enable_progress_bar=false"),
            *("--trainer.enable_checkpointing=false", "--trainer.limit_val_batches=0", "--default_callbacks=false"),
            *(f"--model.steps_per_call={each}", f"--trainer.callbacks={json.dumps(CALLBACKS)}"),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CLOCK_FILE": f"{folder}/seconds"}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return float(Path(folder, "seconds").read_text())


def measure(steps: int, repeats: int) -> dict[str, Any]:
    """Median ratio of two processes to one, stepping one by one and ten at a time.

    Args:
        steps: Optimizer steps of each run.
        repeats: Number of pairs of runs.
    """
    found: dict[str, Any] = {"steps": steps, "repeats": repeats, "torch": torch.__version__}
    for each in (1, 10):
        pairs = [(seconds(1, each, steps), seconds(2, each, steps)) for _ in range(repeats)]
        ratios = sorted(two / one for one, two in pairs)
        found[f"steps_per_call_{each}"] = {
            "one_ms": round(1e3 * statistics.median(one for one, _ in pairs), 3),
            "two_ms": round(1e3 * statistics.median(two for _, two in pairs), 3),
            "ratio": round(statistics.median(ratios), 3),
            "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        }
    return found


def main(args: list[str]) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ddp_cost", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args(args)
    found = measure(arguments.steps, arguments.repeats)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    Console().print(found)
