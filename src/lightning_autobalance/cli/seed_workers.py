"""`fit --seeds 0 1 2 --workers 2`: the seeds of one `fit` in processes, through the engine of sweeps."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lightning_autobalance.callbacks.seed_summary import SeedResult
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.sweeps.engine import Pool, connected, outcomes
from lightning_autobalance.sweeps.worker import attempt

POLL = 0.1  # seconds between two looks for the file that ends all runs


@dataclass(frozen=True)
class SeedTask:
    """The run of one seed, for a worker.

    Args:
        seed: Of the run.
        config: Of a `fit` with this seed only, as YAML.
        folder: Of the run; gets its ``output.txt``.
        threads: For operations of torch.
        stop: A file; once it exists, the run ends as after SIGTERM, or does not begin.
    """

    seed: int
    config: str
    folder: Path
    threads: int = 1
    stop: Path | None = None


def stoppable(task: SeedTask, train: Callable[[], object], results: Sequence[SeedResult]) -> dict[str, Any]:
    """Train in a worker, unless or until the file that ends all runs exists.

    Args:
        task: Of this worker.
        train: Trains it and puts its result into ``results``.
        results: Where ``train`` puts it.

    Returns:
        ``result``, a `SeedResult` or None, ``non_finite``, the message of a `NonFiniteError`, and ``stopped``.
    """
    torch.set_num_threads(task.threads)
    non_finite, stopped = None, False
    with _sigterm_by(task.stop) as is_stopped:
        try:
            if not is_stopped():
                train()
        except NonFiniteError as error:
            non_finite = str(error)
        except SIGTERMException:
            stopped = True
        stopped = stopped or is_stopped()
    return {"result": results[0] if results else None, "non_finite": non_finite, "stopped": stopped}


def train_seeds(
    tasks: Sequence[SeedTask], workers: int, train: Callable[[SeedTask], dict[str, Any]]
) -> Iterator[SeedResult]:
    """Train the runs of all seeds in processes.

    Args:
        tasks: Started in this order.
        workers: Runs at once.
        train: Trains one of them; must be picklable.

    Yields:
        The results of the runs that have one, as they end.

    Raises:
        NonFiniteError: After all runs have ended, if any was not finite; names their seeds.
        MisconfigurationException: If a run failed otherwise, which ends all runs; names its seed.
        SIGTERMException: After SIGTERM, when the runs under way have saved their checkpoints.
    """
    non_finite: dict[int, str] = {}
    stopped = False
    with TemporaryDirectory() as temporary, connected(Pool(workers, threads=tasks[0].threads)) as (count, backend):
        stop = Path(temporary, "stop")
        listed = [SeedTask(task.seed, task.config, task.folder, task.threads, stop) for task in tasks]
        with (
            _touching_on_sigterm(stop),
            closing(outcomes(listed, count, backend, partial(attempt, train=train))) as found,
        ):
            for outcome in found:
                seed, result = outcome.run.seed, outcome.result
                if result is None:
                    raise MisconfigurationException(
                        f"Seed {seed}: {outcome.error} Its output is in {outcome.run.folder / 'output.txt'}."
                    )
                stopped = stopped or result["stopped"]
                if result["non_finite"] is not None:
                    non_finite[seed] = result["non_finite"]
                if result["result"] is not None:
                    yield result["result"]
    if stopped:
        raise SIGTERMException
    if non_finite:
        raise NonFiniteError(" ".join(non_finite[task.seed] for task in tasks if task.seed in non_finite))


@contextmanager
def _touching_on_sigterm(stop: Path) -> Iterator[None]:
    """On SIGTERM, make a file."""
    before = signal.signal(signal.SIGTERM, lambda *_: stop.touch())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _sigterm_by(stop: Path | None) -> Iterator[Any]:
    """Send SIGTERM to this process once a file exists; gives a function that says whether it does."""

    def is_stopped() -> bool:
        return stop is not None and stop.exists()

    def watch() -> None:
        while not ended.wait(POLL):
            if is_stopped():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    # Until Lightning listens, and after it, SIGTERM must not kill the worker: that would break the pool of all runs.
    signal.signal(signal.SIGTERM, lambda *_: None)
    ended = threading.Event()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield is_stopped
    finally:
        ended.set()
        watcher.join()
