"""The table at the end of a `fit` of several seeds."""

from collections.abc import Callable, Sequence
from statistics import median

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.table import Table

from lightning_autobalance.callbacks.diagnosis import diagnose
from lightning_autobalance.callbacks.evidence import gather
from lightning_autobalance.module import PINNModule

SUMMARIES: dict[str, Callable[[list[float]], float]] = {"median": median, "least": min, "largest": max}


class SeedSummary(Callback):
    """Keeps what the numbers of one of several seeds mean, for the table of all; in the place of a `FitSummary`."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the run."""
        if isinstance(pl_module, PINNModule):
            self.sentences = list(diagnose(gather(trainer, pl_module)))


def seeds_table(seeds: Sequence[int], trainers: Sequence[Trainer], modules: Sequence[PINNModule]) -> Table:
    """Losses and errors of every seed, their medians, and their ranges.

    Args:
        seeds: One per run.
        trainers: Of the runs.
        modules: What they trained.
    """
    rows = [_numbers(trainer, module) for trainer, module in zip(trainers, modules, strict=True)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    title = f"{type(modules[0]).__name__}, {len(seeds)} seeds"
    table = Table("seed", title=title, title_justify="left")
    for name in (*names, "steps"):
        table.add_column(name, justify="right", overflow="fold")
    for seed, row, trainer in zip(seeds, rows, trainers, strict=True):
        table.add_row(str(seed), *(_shown(row.get(name)) for name in names), f"{trainer.global_step:,}")
    table.add_section()
    known = {name: [row[name] for row in rows if name in row] for name in names}
    for what, function in SUMMARIES.items():
        table.add_row(what, *(_shown(function(known[name])) for name in names), "")
    return table


def _numbers(trainer: Trainer, module: PINNModule) -> dict[str, float]:
    losses = {name: value for name, value in module.latest.items() if name.startswith("loss/")}
    metrics = sorted(trainer.callback_metrics.items())
    return losses | {name: float(value) for name, value in metrics if name.startswith("val/")}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}"
