"""The table at the end of a `fit` of several seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.table import Table

from lightning_autobalance.callbacks.diagnosis import diagnose
from lightning_autobalance.callbacks.evidence import gather_evidence
from lightning_autobalance.module import PINNModule

SUMMARIES: dict[str, Callable[[list[float]], float]] = {"median": median, "least": min, "largest": max}


class SeedSummary(Callback):
    """Keeps the diagnosis of one of several seeds for the table of all; takes the place of a `FitSummary`."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Diagnose the run."""
        if isinstance(pl_module, PINNModule):
            self.sentences = list(diagnose(gather_evidence(trainer, pl_module)))


@dataclass(frozen=True)
class SeedResult:
    """What the table shows of one seed.

    Args:
        seed: Of the run.
        problem: The module's class.
        steps: Optimizer steps taken.
        numbers: Losses and validation metrics by name.
        sentences: The diagnosis.
    """

    seed: int
    problem: str
    steps: int
    numbers: dict[str, float]
    sentences: tuple[str, ...] = ()

    @classmethod
    def of(cls, seed: int, trainer: Trainer, module: PINNModule) -> "SeedResult":
        """The result of a run, after its `fit`.

        Args:
            seed: Of the run.
            trainer: Its diagnosis is that of a `SeedSummary` among the callbacks; none without one.
            module: The trained module.
        """
        losses = {name: value for name, value in module.latest.items() if name.startswith("loss/")}
        metrics = {name: float(x) for name, x in sorted(trainer.callback_metrics.items()) if name.startswith("val/")}
        sentences = tuple(sentence for summary in seed_summaries(trainer) for sentence in summary.sentences)
        return cls(seed, type(module).__name__, trainer.global_step, losses | metrics, sentences)


def seed_summaries(trainer: Trainer) -> list[SeedSummary]:
    """Those among the callbacks of a Trainer."""
    return [callback for callback in trainer.callbacks if isinstance(callback, SeedSummary)]  # type: ignore[attr-defined]


def seeds_table(results: Sequence[SeedResult]) -> Table:
    """Losses and errors of every seed, their medians, and their ranges.

    Args:
        results: One per seed, at least one.
    """
    names = list(dict.fromkeys(name for result in results for name in result.numbers))
    title = f"{results[0].problem}, {len(results)} seeds"
    table = Table("seed", title=title, title_justify="left")
    for name in (*names, "steps"):
        table.add_column(name, justify="right", overflow="fold")
    for result in results:
        table.add_row(str(result.seed), *(_shown(result.numbers.get(name)) for name in names), f"{result.steps:,}")
    table.add_section()
    known = {name: [result.numbers[name] for result in results if name in result.numbers] for name in names}
    for summary, function in SUMMARIES.items():
        table.add_row(summary, *(_shown(function(known[name])) for name in names), "")
    return table


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}"
