"""The table at the end of `fit`."""

import resource
import sys
import time

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table

from lightning_autobalance.callbacks.diagnosis import diagnose
from lightning_autobalance.callbacks.evidence import gather_evidence
from lightning_autobalance.callbacks.figures import run_folder
from lightning_autobalance.callbacks.unknown_parameters import unknown_rows
from lightning_autobalance.module import PINNModule


class FitSummary(Callback):
    """Prints a table of the run (losses, errors, speed, memory, files) and a diagnosis in plain language."""

    def __init__(self) -> None:
        self._start_time = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the timer."""
        self._start_time = time.monotonic()
        self._first_step = trainer.global_step

    @rank_zero_only
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table and the diagnosis."""
        if isinstance(pl_module, PINNModule):
            seconds = time.monotonic() - self._start_time
            console = Console()
            console.print(summary(trainer, pl_module, seconds, trainer.global_step - self._first_step))
            for sentence in diagnose(gather_evidence(trainer, pl_module)):
                console.print(f"- {sentence}", highlight=False, markup=False)


def summary(trainer: Trainer, module: PINNModule, seconds: float, steps: int) -> Table:
    """The table of a run.

    Args:
        trainer: A trainer at the end of ``fit``.
        module: The module it trained.
        seconds: Wall time of the training.
        steps: Optimizer steps in that time.
    """
    optimizer = trainer.optimizers[0]
    table = Table(
        title=f"{type(module).__name__} with {type(optimizer).__name__}", show_header=False, title_justify="left"
    )
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in module.latest.items():
        if name.startswith("loss/"):
            table.add_row(name, f"{value:.3e}")
    table.add_section()
    for name, metric in sorted(trainer.callback_metrics.items()):
        if name.startswith("val/"):
            table.add_row(name, f"{float(metric):.3e}")
    if (reference := module.reference) is not None and reference.is_read:
        table.add_row("reference", f"{reference.source}: {len(reference.points):,} points")
    table.add_section()
    for row in unknown_rows(trainer, module).items():
        table.add_row(*row)
    table.add_section()
    table.add_row("steps", f"{trainer.global_step:,}")
    if (stage := module.finish_phase.stage) is not None and stage.began_at is not None:
        finishing = trainer.global_step - stage.began_at
        table.add_row("finish", f"{type(stage.finisher).__name__}: the last {finishing:,} of them")
    if module.end_of_run.reason:
        table.add_row("ended early", module.end_of_run.reason)
    table.add_row(
        "time", f"{seconds:,.1f} s: {steps / seconds:,.1f} steps/s, {1e3 * seconds / max(steps, 1):.2f} ms a step"
    )
    table.add_row("peak memory", f"{_peak_memory(module.device) / 2**20:,.0f} MiB")
    table.add_row("parameters", f"{sum(p.numel() for p in module.parameters()):,}")
    table.add_row("derivatives", module.derivative_mode)
    if (compiled := module.gradient_stage.compiled) is not None:
        table.add_row("compiled", f"no: {compiled.reason}" if compiled.reason else compiled.gain or "yes")
    checkpoint = trainer.checkpoint_callback
    for name, path in {
        "logs": run_folder(trainer) if trainer.loggers else "",
        "checkpoint": getattr(checkpoint, "last_model_path", "") or getattr(checkpoint, "best_model_path", ""),
    }.items():
        if path:
            table.add_row(name, str(path))
    return table


def _peak_memory(device: torch.device) -> int:
    """Peak memory in bytes, of the tensors on a GPU or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else 1024 * kilobytes  # macOS counts bytes
