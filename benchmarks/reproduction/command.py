"""`python -m benchmarks reproduce`: train what is missing for parts of the paper, then write the report."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.reproduction.conditioning import conditions
from benchmarks.reproduction.experiments import FILES, FOLDER, ITERATIONS, PARTS, Experiment
from benchmarks.reproduction.page import PAGE, page
from benchmarks.reproduction.pictures import FOLDER as FOLDER_OF_PICTURES
from benchmarks.reproduction.pictures import PICTURES, names_of, shown
from benchmarks.reproduction.results import Results, key_of
from benchmarks.sweeps import Run, options, read, sweep_by

QUICK = Path("runs/reproduce-quick")
QUICK_ITERATIONS = 20
QUICK_OPTIONS = ("--data.eval_points=400", "--trainer.log_every_n_steps=5")
CONFIGS = Path("configs")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks reproduce",
        description="Train what is missing for the tables and figures of the AutoBalance paper, and write the report "
        f"{PAGE}. Results are kept in {FOLDER}/; an interrupted run goes on from its last checkpoint.",
    )
    made.add_argument("what", nargs="+", choices=[*PARTS, *PICTURES, "all"], metavar="WHAT", help=_choices())
    made.add_argument("--quick", action="store_true", help=f"a few steps of one seed, under {QUICK}/: does it work?")
    made.add_argument("--report", action="store_true", help="train nothing, only draw and write")
    made.add_argument("--seeds", type=int, nargs="+", help="only these")
    made.add_argument("--iterations", type=int, default=ITERATIONS, help="of every run; the paper's by default")
    return options(made)


def _choices() -> str:
    return f"{', '.join(PARTS)}, {', '.join(PICTURES)}, all"


def main(args: list[str]) -> None:
    """Train and write the selected parts; a wrong command line exits with status 2, a failed run with 1."""
    made = parser()
    given = made.parse_args(args)
    if not (CONFIGS / "helmholtz_2d.yaml").exists():
        made.error(
            f"`reproduce` needs the configurations of the repository, `{CONFIGS}/`, found none in {Path.cwd()}. Clone "
            "the repository and run it there."
        )
    if given.out:
        made.error("`--out` must be left out: every part has its own results file.")
    failed = "" if given.report else _train(given)
    _write(given)
    if failed:
        raise SystemExit(failed)


def _train(given: argparse.Namespace) -> str:
    """Train every part; returns what failed."""
    failed = []
    for experiment in _experiments(given.what):
        runs = _wanted(experiment, given)
        try:
            sweep_by(given, runs, _out(experiment.out, given))
        except SystemExit as stopped:  # of failed runs: the other parts, and the report, are still wanted
            if stopped.code == 130:  # Ctrl-C
                raise
            failed.append(str(stopped.code))
    return " ".join(failed)


def _experiments(what: Sequence[str]) -> list[Experiment]:
    parts = PARTS if "all" in what else [part for name in what for part in _parts(name)]
    return list(dict.fromkeys(experiment for part in parts for experiment in PARTS[part]))


def _parts(name: str) -> tuple[str, ...]:
    return PICTURES[name].parts if name in PICTURES else (name,)


def _wanted(experiment: Experiment, given: argparse.Namespace) -> list[Run]:
    iterations = QUICK_ITERATIONS if given.quick else given.iterations
    seeds = given.seeds or ([0] if given.quick else None)
    runs = [run for run in experiment.runs(iterations) if seeds is None or run.seed in seeds]
    if given.quick:
        return [replace(run, options=(*run.options, *QUICK_OPTIONS), work=QUICK / "work") for run in runs]
    others = [path for path in FILES if path != experiment.out]
    elsewhere = {key_of(line) for path in others for line in read(path)}
    return [run for run in runs if run.key not in elsewhere]


def _out(path: Path, given: argparse.Namespace) -> Path:
    return QUICK / path.name if given.quick else path


def _write(given: argparse.Namespace) -> None:
    iterations = QUICK_ITERATIONS if given.quick else given.iterations
    results = Results.of_files((_out(path, given) for path in FILES), iterations)
    where = QUICK / PAGE.name if given.quick or iterations != ITERATIONS else PAGE
    where.parent.mkdir(parents=True, exist_ok=True)
    if names := names_of(given.what):
        from benchmarks.figures.draw import draw

        draw(names, results, where.parent / FOLDER_OF_PICTURES)
    where.write_text(page(results, shown(where.parent), conditions()))
    Console().print(f"{len(results.lines)} runs in {where}.", soft_wrap=True)
