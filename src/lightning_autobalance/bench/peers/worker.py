"""The process of one contender."""

import ctypes
import gc
import logging
import os
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import torch

from lightning_autobalance.bench.peers.agreement import deviation
from lightning_autobalance.bench.peers.case import Case
from lightning_autobalance.bench.peers.contenders import BY_NAME

MIB = 2**20


class Finished(Exception):  # noqa: N818  not an error
    """No more steps are wanted."""


class Turns:
    """Lets a training run some steps at a time: the training calls `tick` after every one.

    Args:
        connection: Gives numbers of steps, None for no more; takes what each turn measured.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._left = 0
        self._start = 0.0

    def tick(self) -> None:
        """A step is done: go on, or answer and wait for the next turn."""
        self._left -= 1
        if self._left == 0:
            self._connection.send({"seconds": perf_counter() - self._start, **memory()})
        if self._left <= 0:
            steps = self._connection.recv()
            if steps is None:
                raise Finished
            self._left, self._start = steps, perf_counter()


def memory() -> dict[str, float]:
    """The largest resident memory of this process so far, in MiB; nothing where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return {"peak_mib": int(line.split()[1]) * 1024 / MIB}


def forget_peak() -> None:
    """Give freed memory back and let the largest resident memory start anew, where the system can."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def serve(connection: Connection, name: str, case: Case) -> None:
    """Prepare a contender, check it, train as long as it is asked to.

    Args:
        connection: To the process that measures. It first gets the ``deviation``, or why it ``failed``.
        name: Of the contender.
        case: What to train.
    """
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        _be_quiet()
        torch.set_num_threads(1)
        try:
            prepared = BY_NAME[name].setup(case)
            found = deviation(case, prepared)
            forget_peak()
            connection.send({"deviation": found, **memory()})
            prepared.run(Turns(connection).tick)
        except (Finished, EOFError, BrokenPipeError):
            return
        except Exception as error:
            connection.send({"failed": f"{type(error).__name__}: {error}".splitlines()[0]})


def _be_quiet() -> None:
    warnings.simplefilter("ignore")
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
