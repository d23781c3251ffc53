"""`python -m benchmarks accuracy`: errors over CPU seconds at equal time, with and without a finish.

The budget of a run is what AutoAdamW's 30,000 steps take on one thread, measured at its start. Evaluations of the error
do not count. Every run is one line in the results; those that are missing are trained, the most telling first.
"""

import argparse
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from benchmarks.accuracy_clock import Clock
from lightning_autobalance.cli import run_cli
from lightning_autobalance.sweeps.results_file import append, mend, read

OUT = Path("results/accuracy.jsonl")
STEPS = 30_000  # of AutoAdamW, which set the budget
ENDLESS = 1_000_000  # more steps than fit into any budget
SEEDS = (0, 1, 2, 3, 4)
PROBLEMS: Mapping[str, tuple[str, ...]] = {
    "helmholtz_2d": (),
    "reaction_diffusion_1d": (),
    "poisson_inverse_2d": (),
    "poisson_inverse_2d_no_noise": ("--model.noise_std=0",),
}
NOISE = {"poisson_inverse_2d": ("--model.stop_at_noise={data: 0.01}",)}
FIRST = {  # method of the first phase -> its configuration
    "adamw": "method/adamw.yaml",
    "auto_adamw": "method/auto_adamw.yaml",
    "config": "method/config.yaml",
    "ntk": "method/ntk.yaml",
    "soap": "extra/soap.yaml",
    "auto_soap": "method/auto_soap.yaml",
}
FINISH = {"lm": "levenberg_marquardt", "ssb": "self_scaled_broyden", "lbfgs": "lbfgs"}


@dataclass(frozen=True)
class Cell:
    """One combination, trained once per seed.

    Args:
        problem: Key of ``PROBLEMS``.
        first: Method of the first phase, key of ``FIRST``.
        finish: Key of ``FINISH``; empty for none.
        switch: Steps of the first phase; 0 for the whole run.
        at_noise: Whether the run ends where the data's residual has come down to the noise.
    """

    problem: str
    first: str
    finish: str = ""
    switch: int = 0
    at_noise: bool = False


def cells() -> list[Cell]:
    """Every combination, the recommended ones first."""
    boxes, inverse, no_noise = (
        ("helmholtz_2d", "reaction_diffusion_1d"),
        "poisson_inverse_2d",
        "poisson_inverse_2d_no_noise",
    )
    best = [
        Cell(inverse, "auto_soap", "lm", 400, at_noise=True),
        Cell("helmholtz_2d", "auto_soap", "lm", 3000),
        Cell("reaction_diffusion_1d", "auto_soap", "lm", 1000),
        Cell(no_noise, "auto_soap", "lm", 1000),
    ]
    plain = [Cell(problem, first) for first in FIRST for problem in (*boxes, inverse, no_noise)]
    noisy = [Cell(inverse, first, at_noise=True) for first in ("adamw", "auto_adamw", "auto_soap")]
    finishes = [
        Cell(problem, first, finish, 3000)
        for problem in boxes
        for finish in FINISH
        for first in ("auto_soap", "auto_adamw", "adamw", "soap")
    ]
    switches = [Cell(problem, "auto_soap", "lm", steps) for problem in boxes for steps in (1000, 6000)]
    return list(dict.fromkeys([*best, *noisy, *plain, *finishes, *switches]))


def arguments(cell: Cell, seed: int) -> list[str]:
    """The command line of `fit` for one run."""
    config = cell.problem.removesuffix("_no_noise")
    line = [f"--config=configs/{config}.yaml", f"--config=configs/{FIRST[cell.first]}", *PROBLEMS[cell.problem]]
    if cell.finish:
        line += [f"--config=configs/finish/{FINISH[cell.finish]}.yaml", f"--model.finish.steps={ENDLESS}"]
    line += [f"--seed_everything={seed}", f"--trainer.max_steps={ENDLESS + cell.switch}"]
    return [*line, *(NOISE[cell.problem] if cell.at_noise else ())]


QUIET = (
    "--trainer.logger=false",
    "--trainer.enable_checkpointing=false",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.accelerator=cpu",
    "--trainer.limit_val_batches=0",
    "--trainer.num_sanity_val_steps=0",
    f"--data.steps_per_epoch={2 * ENDLESS}",
    "--trainer.callbacks+=benchmarks.accuracy_clock.Clock",
)


def fit(line: list[str], steps: int | None = None, **clock: float) -> tuple[Any, Clock]:
    """Run `fit`; the command and its clock.

    Args:
        line: Options of `fit`.
        steps: Length of the run, if it is not that in the options.
        **clock: Arguments of the `Clock`.
    """
    more = [] if steps is None else [f"--trainer.max_steps={steps}"]
    cli = run_cli(["fit", *line, *QUIET, *(f"--trainer.callbacks.{name}={x}" for name, x in clock.items()), *more])
    return cli, next(callback for callback in cli.trainer.callbacks if isinstance(callback, Clock))


def budget_of(problem: str, seed: int, probe: int = 600, skip: int = 100) -> float:
    """CPU seconds of AutoAdamW's steps on a problem, from a few of them.

    Args:
        problem: Key of ``PROBLEMS``.
        seed: Of the run.
        probe: Steps taken.
        skip: The first ones, which are not counted.
    """
    _, clock = fit(arguments(Cell(problem, "auto_adamw"), seed), probe, skip=skip)
    return clock.seconds / (probe - skip) * STEPS


def train(cell: Cell, seed: int, share: float = 1.0) -> dict[str, Any]:
    """Train one run for its budget.

    Args:
        cell: The combination.
        seed: Of network and points.
        share: Part of the budget to train for; below 1 to try whether it works.

    Returns:
        Its line in the results.
    """
    budget = budget_of(cell.problem, seed)
    cli, clock = fit(arguments(cell, seed), budget=share * budget)
    last = clock.rows[-1]
    return {
        "cell": asdict(cell),
        "seed": seed,
        "budget": round(budget, 1),
        "seconds": round(clock.seconds, 1),
        "steps": cli.trainer.global_step,
        **{name: last[name] for name in ("mse", "linf", "rel_l2")},
        "stopped": cli.model.end_of_run.reason,
        "history": clock.rows,
        "versions": {name: version(name) for name in ("lightning-autobalance", "lightning", "torch")},
        "commit": commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def commit() -> str:
    """The commit that is checked out, with a plus where files have changed."""
    found = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def missing(path: Path, seeds: Sequence[int], problems: Collection[str] = ()) -> Iterator[tuple[Cell, int]]:
    """The runs that have no line yet, all seeds of a combination together.

    Args:
        path: The results file.
        seeds: Those to train.
        problems: Only these; all where there are none.
    """
    done = {(Cell(**line["cell"]), line["seed"]) for line in read(path)}
    for cell in cells():
        for seed in seeds:
            if (cell, seed) not in done and (not problems or cell.problem in problems):
                yield cell, seed


def main(args: list[str]) -> None:
    """Train what is missing, one run after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks accuracy", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="only these")
    parser.add_argument("--problems", nargs="+", default=[], choices=PROBLEMS, help="only these")
    parser.add_argument("--runs", type=int, default=None, help="at most so many; all that are missing by default")
    parser.add_argument("--share", type=float, default=1.0, help="part of the budget, to try whether it works")
    parser.add_argument("--out", type=Path, default=OUT, help="results file, appended to")
    given = parser.parse_args(args)
    torch.set_num_threads(1)
    mend(given.out)
    for cell, seed in islice(list(missing(given.out, given.seeds, given.problems)), given.runs):
        append(given.out, train(cell, seed, given.share))
