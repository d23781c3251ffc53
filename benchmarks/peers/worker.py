"""What runs in a contender's own process."""

import logging
import multiprocessing
import os
import warnings
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time

import torch

from benchmarks.peers.agreement import DisagreementError, deviation
from benchmarks.peers.case import Case
from benchmarks.peers.contender import Prepared
from benchmarks.peers.contenders import BY_NAME

MIB = 2**20


class Finished(Exception):  # noqa: N818  not an error
    """Raised in a contender's training loop to end it."""


class Turns:
    """Lets a training run some steps at a time: the training calls it once for every one.

    Args:
        connection: Receives numbers of steps, None at the end; sends what each turn measured, CPU time.

    Attributes:
        left: Steps until the end of the turn.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.left = 0
        self._start = 0.0

    def __call__(self) -> None:
        """A step is done: go on, or answer and wait for the next turn."""
        self.left -= 1
        if self.left == 0:
            self._connection.send({"seconds": process_time() - self._start, **memory()})
        if self.left <= 0:
            steps = self._connection.recv()
            if steps is None:
                raise Finished
            self.left, self._start = steps, process_time()


def memory() -> dict[str, float]:
    """Peak resident memory of this process in MiB; empty where the system does not report it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return {"peak_mib": int(line.split()[1]) * 1024 / MIB}


def checked(case: Case, prepared: Prepared) -> float | None:
    """The deviation of a contender, computed by a copy of this process: memory and allocator here stay as they are.

    Raises:
        DisagreementError: If it computes something else, or the copy ended.
    """
    if prepared.losses is None or "fork" not in multiprocessing.get_all_start_methods():
        return deviation(case, prepared)
    here, there = multiprocessing.Pipe(duplex=False)
    copy = multiprocessing.get_context("fork").Process(target=_send_deviation, args=(there, case, prepared))
    copy.start()
    there.close()
    try:
        found: float | str = here.recv()
    except EOFError:
        found = "its process ended"
    copy.join()
    if isinstance(found, str):
        raise DisagreementError(found)
    return found


def _send_deviation(connection: Connection, case: Case, prepared: Prepared) -> None:
    try:
        connection.send(deviation(case, prepared))
    except Exception as error:
        connection.send(_first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def serve(connection: Connection, name: str, case: Case) -> None:
    """Set up a contender, check its losses and gradients, then train turn by turn.

    Args:
        connection: To the measuring process, which first receives the ``deviation``, or why it ``failed``.
    """
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        _be_quiet()
        torch.set_num_threads(1)
        try:
            prepared = BY_NAME[name].setup(case)
            connection.send({"deviation": checked(case, prepared), **memory()})
            prepared.run(Turns(connection))
        except (Finished, EOFError, BrokenPipeError):
            return
        except Exception as error:
            connection.send({"failed": f"{type(error).__name__}: {_first_line(error)}"})


def _be_quiet() -> None:
    warnings.simplefilter("ignore")
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
