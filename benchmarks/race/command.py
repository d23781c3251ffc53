"""The command: train what is missing, each run in a process of its own, one line of results per run."""

import argparse
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console

from benchmarks.accuracy import commit
from benchmarks.race import score
from benchmarks.race.clock import BUDGETS
from benchmarks.race.contenders import CONTENDERS
from benchmarks.race.job import Job
from benchmarks.race.rows import SETTINGS, ready
from lightning_autobalance.sweeps.results_file import append, mend, read

OUT = Path("results/race.jsonl")
SEEDS = (0, 1, 2)
PACKAGES = ("lightning-autobalance", "lightning", "torch", "DeepXDE", "pina-mathlab")


class Run(NamedTuple):
    """One run: keys of its row, contender and setting, and its seed and budget."""

    row: str
    contender: str
    setting: str
    seed: int
    budget: float

    def serves(self, other: "Run") -> bool:
        """Whether its history is, up to the other's budget, that of the other."""
        longer = CONTENDERS[self.contender].any_budget and self.budget > other.budget
        return self[:4] == other[:4] and (longer or self.budget == other.budget)


def of(line: dict[str, Any]) -> Run:
    """The run of a line of results."""
    return Run(line["row"], line["contender"], line["setting"], line["seed"], line["budget"])


def wanted(given: argparse.Namespace) -> Iterator[Run]:
    """The runs of a command line: all contenders of a row and seed together, the longest budgets first."""
    budgets = sorted(given.budget, reverse=True)
    for setting, seed, row, name in product(given.settings, given.seeds, given.rows, given.contenders):
        if CONTENDERS[name].weighted and not Job(row).weights:
            continue  # it would be its own namesake
        for budget in budgets[:1] if CONTENDERS[name].any_budget else budgets:
            yield Run(row, name, setting, seed, budget)


def missing(runs: Iterable[Run], done: Sequence[Run]) -> Iterator[Run]:
    """Those of some runs that no other one serves.

    Args:
        runs: The runs.
        done: Those that have a line.
    """
    return (run for run in runs if not any(each.serves(run) for each in done))


def train(run: Run, references: Path | None) -> dict[str, Any]:
    """Train a run in this process.

    Args:
        run: The run.
        references: Folder with the files of the benchmark's authors.

    Returns:
        Its line of results. One that fails has a reason in place of errors.
    """
    torch.set_num_threads(1)
    job = Job(run.row, run.setting, run.seed)
    line = {**run._asdict(), "points": job.counts, "weights": job.weights, "references": references is not None}
    try:
        clock = CONTENDERS[run.contender].train(job, partial(score.known, job.of, references=references), run.budget)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        found: dict[str, Any] = {"failed": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
    else:
        found = {"seconds": round(clock.seconds, 1), "steps": clock.step, "history": clock.history}
    versions = {name: _version(name) for name in PACKAGES}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    return {**line, **found, "versions": versions, "commit": commit(), "finished": finished}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def apart(run: Run, references: Path | None) -> dict[str, Any]:
    """Train a run in a fresh process: no contender finds what another has set or left in memory.

    Args:
        run: The run.
        references: Folder with the files of the benchmark's authors.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(train, run, references).result()


def options() -> argparse.ArgumentParser:
    """The command line."""
    here = ready()
    there = [name for name, contender in CONTENDERS.items() if not contender.missing]
    parser = argparse.ArgumentParser(prog="python -m benchmarks race", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=here, default=here, help="only these")
    parser.add_argument("--contenders", nargs="+", choices=there, default=there, help="only these, of those installed")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=["small"], help="small by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--budget", nargs="+", type=float, default=list(BUDGETS), help="CPU seconds of a run")
    parser.add_argument("--runs", type=int, default=None, help="at most so many; all that are missing by default")
    parser.add_argument("--references", type=Path, default=None, help="the folder `ref` of a clone of PINNacle")
    parser.add_argument("--out", type=Path, default=OUT, help="results file, appended to")
    return parser


def main(args: list[str]) -> None:
    """Train what is missing, one run after the other."""
    given = options().parse_args(args)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # children of the run itself, so that they are counted
    mend(given.out)
    for run in islice(list(missing(wanted(given), [of(line) for line in read(given.out)])), given.runs):
        try:
            line = apart(run, given.references)
        except BrokenProcessPool as error:
            raise SystemExit(f"error: the process of {run} has ended: {error}") from error
        append(given.out, line)
        last = line["history"][-1] if "history" in line else {"errors": line["failed"]}
        Console().print(
            f"{run.row} {run.contender} {run.setting} seed {run.seed}: {last}", highlight=False, soft_wrap=True
        )
