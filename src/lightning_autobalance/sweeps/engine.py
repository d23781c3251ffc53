"""The engine of a sweep: joblib, with processes of this machine (loky) or the workers of a Dask cluster."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning_autobalance.sweeps.worker import Outcome, T
from lightning_autobalance.utils.arguments import check_at_least

BACKENDS = {"loky": "bench", "dask": "dask"}  # backend -> extra with its packages
_NEEDS = {"loky": ("joblib",), "dask": ("joblib", "distributed")}


@dataclass(frozen=True)
class Pool:
    """The workers of a sweep.

    Args:
        workers: Runs at once; None is one, or all workers of the cluster at ``scheduler``.
        backend: ``loky``, processes of this machine, or ``dask``.
        scheduler: Address of a Dask cluster, such as ``tcp://10.0.0.1:8786``; without one, Dask starts processes here.
        threads: Of each run, with ``loky``; Dask's workers have one.

    Raises:
        ValueError: If a value is out of range, or two exclude each other.
        ModuleNotFoundError: If a package of the backend is not installed.
    """

    workers: int | None = None
    backend: str = "loky"
    scheduler: str | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if self.workers is not None:
            check_at_least("workers", self.workers, 1)
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
    """The number of runs at once and joblib's settings for the backend; at the end its processes are stopped."""
    if pool.backend == "dask":
        with _dask(pool) as found:
            yield found
        return
    from joblib.externals.loky import get_reusable_executor

    try:
        yield pool.workers or 1, {"backend": "loky", "inner_max_num_threads": pool.threads}
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
        """joblib's, except that a task that Dask gives up because its workers died does not wait forever."""

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


def outcomes(
    runs: list[T], workers: int, backend: dict[str, Any], work: Callable[[T, Path, int], Outcome[T]]
) -> Generator[Outcome[T], None, None]:
    """Train runs, and yield the outcome of each as it ends.

    If a worker dies, the runs under way fail; the others go on with new workers.

    Args:
        runs: Started in this order.
        workers: Runs at once.
        backend: joblib's settings, from :func:`connected`.
        work: Called in a worker with a run, this process's current folder and its id; picklable.
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


def _parallel(
    runs: list[T], workers: int, backend: dict[str, Any], work: Callable[[T, Path, int], Outcome[T]]
) -> Iterator[Outcome[T]]:
    from joblib import Parallel, delayed, parallel_config

    here, parent = Path.cwd(), os.getpid()
    tasks = [delayed(work)(run, here, parent) for run in runs]
    # With `n_jobs=1` joblib would train in this process, where Ctrl-C counts as the end of the run. So there are at
    # least two processes, and `pre_dispatch` limits how many of them train.
    with parallel_config(**backend, n_jobs=max(2, workers)):
        pool = Parallel(return_as="generator_unordered", pre_dispatch=workers, batch_size=1)
        with closing(pool(tasks)) as found:
            yield from found
