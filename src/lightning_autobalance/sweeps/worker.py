"""What a worker does: train one run, capture its output in a file, and restore the state of the process."""

import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, Protocol, TypeVar, runtime_checkable

_ONE_AT_A_TIME = threading.Lock()  # a Dask worker with several threads must not train two runs with one random state


@runtime_checkable
class Task(Protocol):
    """A training for a worker: picklable, and hashable."""

    @property
    def folder(self) -> Path:
        """Where its output goes, in ``output.txt``."""


T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """How a run went.

    Args:
        run: The run that ended.
        result: What its training returned, such as its line for the results file; None if it failed.
        error: Why it failed; empty if it did not.
    """

    run: T
    result: dict[str, Any] | None = None
    error: str = ""


def attempt(run: T, folder: Path, parent: int, train: Callable[[T], dict[str, Any]]) -> Outcome[T]:
    """Train a run; its failure comes back as data.

    Args:
        run: Whose paths are relative to ``folder``.
        folder: The current folder of the process that started the workers.
        parent: Id of that process. In any other one Ctrl-C is ignored: the parent stops its workers.
        train: Trains the run, and returns the result.
    """
    if os.getpid() != parent and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _ONE_AT_A_TIME, chdir(folder), clean_state():
            sys.path.insert(0, str(folder))  # so that `class_path: my_pde.Poisson2D` finds my_pde.py beside the YAML
            return _trained(run, train)
    except Exception as error:  # such as a folder that another machine does not have
        return Outcome(run, error=_said(error))


def _trained(run: T, train: Callable[[T], dict[str, Any]]) -> Outcome[T]:
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "output.txt").open("a+") as file, _output_to(file):
        start = file.tell()
        try:
            return Outcome(run, train(run))
        except SystemExit as stopped:  # how the command line refuses a configuration
            file.seek(start)
            _, _, said = file.read().rpartition("error: ")
            return Outcome(run, error=said.strip() if said else f"exit status {stopped.code}")
        except Exception as error:
            traceback.print_exc(file=file)
            return Outcome(run, error=_said(error))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


@contextmanager
def clean_state() -> Iterator[None]:
    """Restore at the end what a run may have changed in its process, so that the next one does not depend on it.

    That is torch's number of threads, default dtype, determinism and precision of matrix products, warning filters,
    environment variables and ``sys.path``. Random states are left alone, since every run sets its seeds.
    """
    import torch

    environment, path = dict(os.environ), list(sys.path)
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    strict, lenient = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    precision, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ.update(environment)
            sys.path[:] = path
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            torch.use_deterministic_algorithms(strict, warn_only=lenient)
            torch.set_float32_matmul_precision(precision)
            cudnn.deterministic, cudnn.benchmark = flags


@contextmanager
def _output_to(file: IO[str]) -> Iterator[None]:
    # Lightning's log handlers hold the stream of the time when Lightning was imported.
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    handlers = [h for logger in loggers for h in logger.handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.stream for handler in handlers]  # not `setStream`, which flushes a stream that may be closed
    try:
        for handler in handlers:
            handler.stream = file
        with redirect_stdout(file), redirect_stderr(file):
            yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.stream = stream
