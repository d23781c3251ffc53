"""The table at the end of a `fit` of several seeds."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Group
from rich.table import Table

from lightning_autobalance.callbacks.fit_summary import sentences
from lightning_autobalance.module import PINNModule

SUMMARIES: dict[str, Callable[[list[float]], float]] = {"median": median, "least": min, "largest": max}


class SeedSummary(Callback):
    """Keeps the diagnosis of one of several seeds for the table of all; takes the place of a `FitSummary`."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Diagnose the run."""
        if isinstance(pl_module, PINNModule):
            self.sentences = list(sentences(trainer, pl_module))


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


def seeds_table(results: Sequence[SeedResult], width: int = 80) -> Group:
    """Losses and errors of every seed, their medians, and their ranges; several tables where one is too wide.

    Args:
        results: One per seed, at least one.
        width: In characters.
    """
    names = [*dict.fromkeys(name for result in results for name in result.numbers), "steps"]
    first = max(len(word) for word in [*SUMMARIES, *(str(result.seed) for result in results)]) + 4
    parts: list[list[str]] = []
    left = 0
    for name in names:
        needed = 3 + max(8, *map(len, _header(name).split("\n")))
        if needed > left or not parts:
            parts.append([])
            left = width - first
        parts[-1].append(name)
        left -= needed
    return Group(*(_table(results, part, title=not i) for i, part in enumerate(parts)))


def _table(results: Sequence[SeedResult], names: Sequence[str], *, title: bool) -> Table:
    shown = f"{results[0].problem}, {len(results)} seeds" if title else None
    table = Table("seed", title=shown, title_justify="left")
    for name in names:
        table.add_column(_header(name), justify="right", overflow="fold")
    for result in results:
        steps = {"steps": f"{result.steps:,}"}
        table.add_row(str(result.seed), *(steps.get(name) or _shown(result.numbers.get(name)) for name in names))
    table.add_section()
    known = {name: [result.numbers[name] for result in results if name in result.numbers] for name in names}
    for summary, function in SUMMARIES.items():
        table.add_row(summary, *(_shown(function(known[name])) if known[name] else "" for name in names))
    return table


def _header(name: str) -> str:
    return name.replace("/", "/\n", 1)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}"


def shared_sentences(results: Sequence[SeedResult]) -> Iterator[str]:
    """What is said of the seeds; what differs only in its numbers is said once, with those of the first seed.

    Args:
        results: One per seed.
    """
    seeds: dict[str, list[SeedResult]] = {}
    first: dict[str, str] = {}
    for result in results:
        for sentence in result.sentences:
            form = re.sub(r"[-+]?\d[\d.,e+-]*", "#", sentence)
            seeds.setdefault(form, []).append(result)
            first.setdefault(form, sentence)
    for form, who in seeds.items():
        names = ", ".join(str(result.seed) for result in who)
        start = f"seed {names}" if len(who) == 1 else f"seeds {names} (numbers of {who[0].seed})"
        yield f"{start}: {first[form]}"
