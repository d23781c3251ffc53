"""The engine under a sweep: joblib, with processes of this machine (loky) or the workers of a Dask cluster."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.worker import Outcome, attempt

BACKENDS = {"loky": "bench", "dask": "dask"}  # what each needs is in the extra of that name
_NEEDS = {"loky": ("joblib",), "dask": ("joblib", "distributed")}
Work = Callable[[Run, Path, int], Outcome]


@dataclass(frozen=True)
class Pool:
    """Who trains the runs.

    Args:
        workers: Runs at once, one thread each; None is one, or all workers of the cluster at ``scheduler``.
        backend: ``loky``, processes of this machine, or ``dask``.
        scheduler: Address of a Dask cluster, such as ``tcp://10.0.0.1:8786``; without one, Dask starts processes here.

    Raises:
        ValueError: If the parts do not fit together.
        ModuleNotFoundError: If the package of a backend is missing.
    """

    workers: int | None = None
    backend: str = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"`workers` must be >= 1, got {self.workers}.")
        if self.backend not in BACKENDS:
            raise ValueError(f"`backend` must be one of {', '.join(BACKENDS)}, got {self.backend}.")
        if self.scheduler and self.backend != "dask":
            raise ValueError(f"`scheduler` needs `backend` dask, got {self.backend}. Add --backend dask.")
        for name in _NEEDS[self.backend]:
            if find_spec(name) is None:
                extra = BACKENDS[self.backend]
                raise ModuleNotFoundError(
                    f"`backend` {self.backend} needs {name}, which is not installed. "
                    f'Run pip install "lightning-autobalance[{extra}]".'
                )


@contextmanager
def connected(pool: Pool) -> Iterator[tuple[int, dict[str, Any]]]:
    """The runs at once, and joblib's settings of a backend; at the end its processes are stopped.

    Args:
        pool: Who trains the runs.
    """
    if pool.backend == "dask":
        with _dask(pool) as found:
            yield found
        return
    from joblib.externals.loky import get_reusable_executor

    try:
        yield pool.workers or 1, {"backend": "loky", "inner_max_num_threads": 1}
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@contextmanager
def _dask(pool: Pool) -> Iterator[tuple[int, dict[str, Any]]]:
    from distributed import Client, LocalCluster

    if pool.scheduler:
        with Client(pool.scheduler, set_as_default=False) as client:
            threads = list(client.nthreads().values())
            _check_threads(pool.scheduler, threads)
            yield min(pool.workers or len(threads), len(threads)), {"backend": _dask_backend(client)}
        return
    workers = pool.workers or 1
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield workers, {"backend": _dask_backend(client)}


def _dask_backend(client: Any) -> Any:
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        """joblib's, which waits for ever for a task that Dask gives up because its workers died."""

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)
            ((_, (run, *_), _),) = func.items  # one run a batch

            def tell(ended: Any) -> None:
                if error := ended.exception():
                    callback([Outcome(run, error=f"its workers died: {error}")])

            future.add_done_callback(tell)
            return future

    return Backend(client=client)


def _check_threads(scheduler: str, threads: list[int]) -> None:
    if not threads or max(threads) > 1:
        found = f"workers of {sorted(set(threads))} threads" if threads else "no worker"
        raise ValueError(
            f"`scheduler` {scheduler} must have workers of one thread each, got {found}. "
            "Start them with dask worker --nthreads 1."
        )


def outcomes(runs: list[Run], workers: int, backend: dict[str, Any], work: Work = attempt) -> Iterator[Outcome]:
    """Train runs, and yield how each went, as they end.

    A worker that dies takes the runs that are under way with it; the others go on with new workers.

    Args:
        runs: What to train, in this order.
        workers: Runs at once.
        backend: joblib's settings, of :func:`connected`.
        work: What a worker does with a run.
    """
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = list(runs)
    while left:
        try:
            for outcome in _parallel(left, workers, backend, work):
                left.remove(outcome.run)
                yield outcome
        except BrokenProcessPool as error:
            lost, left = left[:workers], left[workers:]  # runs start in order, so these were under way
            yield from (Outcome(run, error=f"a worker died: {error}") for run in lost)


def _parallel(runs: list[Run], workers: int, backend: dict[str, Any], work: Work) -> Iterator[Outcome]:
    from joblib import Parallel, delayed, parallel_config

    here, parent = Path.cwd(), os.getpid()
    tasks = [delayed(work)(run, here, parent) for run in runs]
    # With `n_jobs=1` joblib trains in this process, where Ctrl-C would count as the run's end: so there are two
    # processes at least, and what is handed out at once says how many of them train.
    with parallel_config(**backend, n_jobs=max(2, workers)):
        pool = Parallel(return_as="generator_unordered", pre_dispatch=workers, batch_size=1)
        with closing(pool(tasks)) as found:
            yield from found
