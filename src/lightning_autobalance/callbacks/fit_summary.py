"""What is said at the start of `fit`, and the table at its end."""

import time
from collections.abc import Sequence

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table

from lightning_autobalance.callbacks.diagnosis import diagnose
from lightning_autobalance.callbacks.evidence import gather_evidence
from lightning_autobalance.callbacks.figures import run_folder
from lightning_autobalance.callbacks.next_commands import last_path, next_commands, states
from lightning_autobalance.callbacks.peak_memory import peak_memory
from lightning_autobalance.callbacks.unknown_parameters import unknown_rows
from lightning_autobalance.callbacks.verdict import find_largest, verdict
from lightning_autobalance.module import PINNModule
from lightning_autobalance.training.batches import point_counts


class FitSummary(Callback):
    """Prints what is trained, and at the end a table (losses, errors, speed, memory), a diagnosis and what to do next.

    With a solution to compare with, the first sentence below the table is a verdict: the relative L2 error in a word,
    and where the error is largest. The last lines are commands to copy: TensorBoard, going on, predictions.
    """

    def __init__(self) -> None:
        self._start_time = 0.0
        self._first_step = 0
        self._validated_at: int | None = None

    @rank_zero_only
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what is trained."""
        if isinstance(pl_module, PINNModule):
            Console().print(opening(trainer, pl_module), highlight=False, markup=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the timer."""
        self._start_time = time.monotonic()
        self._first_step = trainer.global_step

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Remember of which step the errors are."""
        if not trainer.sanity_checking:
            self._validated_at = trainer.global_step

    @rank_zero_only
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table, the diagnosis, and what to do next."""
        if not isinstance(pl_module, PINNModule):
            return
        seconds = time.monotonic() - self._start_time
        console = Console()
        table = summary(trainer, pl_module, seconds, trainer.global_step - self._first_step)
        for row in states(trainer, self._validated_at).items():
            table.add_row(*row)
        console.print(table)
        for sentence in sentences(trainer, pl_module):
            console.print(f"- {sentence}", highlight=False, markup=False)
        for name, command in ({} if trainer.fast_dev_run else next_commands(trainer)).items():  # type: ignore[attr-defined]
            console.print(f"{name}: {command}", highlight=False, markup=False, soft_wrap=True)  # to be copied


def opening(trainer: Trainer, module: PINNModule) -> str:
    """What is trained, in one sentence.

    Args:
        trainer: At the start of ``fit``.
        module: The module that it trains.
    """
    counts = point_counts(trainer) or {}
    points = f", {' + '.join(f'{n:,} {part}' for part, n in counts.items())} points" if counts else ""
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    finish = "" if module.finish is None else f", then {type(module.finish).__name__}"
    until = f", {trainer.max_steps:,} steps" if trainer.max_steps > 0 else ""
    dtype = str(module.points_dtype).removeprefix("torch.")
    return (
        f"{type(module).__name__}: {type(module.net).__name__} with {trained:,} parameters{points}, "
        f"{type(trainer.optimizers[0]).__name__}{finish}{until}, {dtype} on {module.device.type}."
    )


def sentences(trainer: Trainer, module: PINNModule) -> Sequence[str]:
    """The verdict and the diagnosis of a run.

    Args:
        trainer: A trainer at the end of ``fit``.
        module: The module it trained.
    """
    found = diagnose(gather_evidence(trainer, module))
    error = trainer.callback_metrics.get("val/rel_l2")
    return found if error is None else [verdict(float(error), find_largest(module)), *found]


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
    table.add_column(justify="right", overflow="fold")
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
    if memory := peak_memory(module.device):
        table.add_row("peak memory", f"{memory / 2**20:,.0f} MiB")
    table.add_row("parameters", f"{sum(p.numel() for p in module.parameters()):,}")
    table.add_row("derivatives", module.derivative_mode)
    if (compiled := module.gradient_stage.compiled) is not None:
        table.add_row("compiled", f"no: {compiled.reason}" if compiled.reason else compiled.gain or "yes")
    for name, path in {
        "logs": run_folder(trainer) if trainer.loggers else "",
        "checkpoint": last_path(trainer),
    }.items():
        if path:
            table.add_row(name, str(path))
    table.add_section()
    return table
