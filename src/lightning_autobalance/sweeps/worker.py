"""What a worker does: train one run, keep its output in a file, leave the process as it was."""

import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lightning_autobalance.sweeps.runs import Run

_ONE_AT_A_TIME = threading.Lock()  # a Dask worker with several threads must not train two runs with one random state


@dataclass(frozen=True)
class Outcome:
    """How a run went.

    Args:
        run: Which one.
        result: Its line for the results file; None where it failed.
        error: Why it failed; empty where it did not.
    """

    run: Run
    result: dict[str, Any] | None = None
    error: str = ""


def attempt(run: Run, folder: Path, parent: int) -> Outcome:
    """Train a run; whatever goes wrong in it comes back as data.

    Args:
        run: What to train.
        folder: The sweep's current folder, to which its paths are relative.
        parent: Process of the sweep. Any other one leaves Ctrl-C to it.
    """
    if os.getpid() != parent and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _ONE_AT_A_TIME, chdir(folder), clean_state():
            sys.path.insert(0, str(folder))  # so that `class_path: my_pde.Poisson2D` finds my_pde.py beside the YAML
            return _trained(run)
    except Exception as error:  # such as a folder that another machine does not have
        return Outcome(run, error=_said(error))


def _trained(run: Run) -> Outcome:
    from lightning_autobalance.sweeps.training import execute

    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "output.txt").open("a+") as file, _output_to(file):
        start = file.tell()
        try:
            return Outcome(run, execute(run))
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
    """Undo what a run does to its process, so that the next one does not depend on it.

    These are torch's threads, default dtype, determinism and precision of matrix products, warning filters,
    environment variables and the search path of modules. Seeds are set by every run.
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
    # Lightning's log handlers hold the stream that there was when it was imported.
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch", "lightning.fabric")]
    handlers = [h for logger in loggers for h in logger.handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.stream for handler in handlers]  # not `setStream`, which flushes what may be closed
    try:
        for handler in handlers:
            handler.stream = file
        with redirect_stdout(file), redirect_stderr(file):
            yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.stream = stream
