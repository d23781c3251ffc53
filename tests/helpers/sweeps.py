"""Runs that take no time, for workers in other processes."""

import os
import signal
import time
from pathlib import Path

from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.worker import Outcome


def runs(*methods: str, iterations: int = 10) -> list[Run]:
    return [Run("toy", method, seed, iterations, ()) for seed, method in enumerate(methods)]


def pretend(run: Run, folder: Path, parent: int) -> Outcome:
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
