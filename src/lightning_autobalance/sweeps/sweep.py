"""Train a list of runs and append their results to JSON lines."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from lightning_autobalance.sweeps.engine import BACKENDS, Pool, connected, outcomes
from lightning_autobalance.sweeps.progress import Progress, Speeds
from lightning_autobalance.sweeps.results_file import append, mend, read
from lightning_autobalance.sweeps.runs import Run, missing
from lightning_autobalance.sweeps.training import Command, execute
from lightning_autobalance.sweeps.worker import attempt


def sweep(
    runs: list[Run],
    path: Path,
    workers: int | None = None,
    *,
    command: Command,
    backend: str = "loky",
    scheduler: str | None = None,
) -> None:
    """Train the runs that a results file lacks, and append the result of each as it ends.

    Args:
        runs: All runs of the sweep, the most important first.
        path: The results file.
        workers: Runs at once, one thread each; one by default, or all workers of the cluster at ``scheduler``.
        command: Called in a worker with the command line of `fit`, such as :func:`lightning_autobalance.cli.run_cli`;
            a function of a module, so that it can be pickled.
        backend: ``loky``, processes of this machine, or ``dask``.
        scheduler: Address of a Dask cluster.

    Raises:
        SystemExit: With status 1 at the end if runs failed, with status 130 after Ctrl-C.
    """
    pool = Pool(workers, backend, scheduler)
    console = Console()
    path.parent.mkdir(parents=True, exist_ok=True)
    mend(path)
    todo = missing(runs, path)
    console.print(f"{len(runs) - len(todo)} of {len(runs)} runs are in {path}; training {len(todo)}.", soft_wrap=True)
    if not todo:
        return
    try:
        failed = _train(todo, path, pool, command, console)
    except KeyboardInterrupt:
        console.print("Stopped. Results are kept; the next start goes on from the last checkpoints.", soft_wrap=True)
        raise SystemExit(130) from None
    if failed:
        raise SystemExit(f"{failed} of {len(todo)} runs failed; see above. They are tried again at the next start.")


def _train(todo: list[Run], path: Path, pool: Pool, command: Command, console: Console) -> int:
    work = partial(attempt, train=partial(execute, command=command))
    with (
        connected(pool) as (workers, backend),
        Progress(todo, workers, Speeds(read(path)), console=console) as progress,
    ):
        for outcome in outcomes(todo, workers, backend, work):
            if outcome.result is not None:
                append(path, outcome.result)
            progress.add(outcome)
    console.print(f"{progress.done} trained, {progress.failed} failed.", highlight=False)
    return progress.failed


def options(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The options that all sweeps share: ``--out``, ``--workers``, ``--backend`` and others.

    Args:
        parser: Gets the options; a new one by default.
    """
    parser = parser or argparse.ArgumentParser()
    parser.add_argument(
        "--workers",
        type=int,
        help="runs at once, one thread each; 1 by default, or all workers of the cluster at --scheduler",
    )
    parser.add_argument("--out", type=Path, help="results file, appended to")
    parser.add_argument(
        "--backend", choices=tuple(BACKENDS), default="loky", help="processes of this machine (default), or Dask"
    )
    parser.add_argument("--compile", action="store_true", help="--model.compile=true for every run")
    parser.add_argument("--scheduler", help="address of a Dask cluster, such as tcp://10.0.0.1:8786")
    return parser


def sweep_by(arguments: argparse.Namespace, runs: list[Run], out: Path, command: Command) -> None:
    """A :func:`sweep` with the options of a command line.

    Args:
        arguments: Parsed by a parser of :func:`options`.
        runs: All runs of the sweep, the most important first.
        out: The results file, unless ``--out`` names one.
        command: As for :func:`sweep`.
    """
    path = arguments.out or out
    if arguments.compile:
        runs = [replace(run, options=(*run.options, "--model.compile=true")) for run in runs]
    sweep(runs, path, arguments.workers, command=command, backend=arguments.backend, scheduler=arguments.scheduler)
