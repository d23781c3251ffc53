"""Runs that take no time, for workers in other processes, and real runs."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

from lightning_autobalance.cli import run_cli
from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.training import execute
from lightning_autobalance.sweeps.worker import Outcome, attempt


def runs(*methods: str, iterations: int = 10) -> list[Run]:
    return [Run("toy", method, seed, iterations, ()) for seed, method in enumerate(methods)]


def trained(run: Run) -> dict[str, Any]:
    """The line of a run that is trained in this process."""
    return execute(run, run_cli)


def attempted(run: Run, folder: Path | None = None) -> Outcome[Run]:
    """What a worker makes of a run, in this process."""
    return attempt(run, folder or Path.cwd(), os.getpid(), partial(execute, command=run_cli))


def pretend(run: Run, folder: Path, parent: int) -> Outcome[Run]:
    """Ends as the run's method says; the result tells where and when it ran."""
    began = time.time()
    if run.method == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if run.method == "fail":
        return Outcome(run, error="on purpose")
    time.sleep(0.2)
    threads = os.environ.get("OMP_NUM_THREADS")
    return Outcome(
        run, {"process": os.getpid(), "parent": parent, "began": began, "ended": time.time(), "omp": threads}
    )
