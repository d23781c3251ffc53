"""Times contenders in turns: in every round each trains some steps, in random order, while the others wait."""

import multiprocessing
import os
import random
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.peers.case import Case
from benchmarks.peers.contender import Contender
from benchmarks.peers.worker import serve

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SETTLE = 2  # steps at the start of a turn that are not timed: the caches hold another process's data


class ContenderError(RuntimeError):
    """A contender's process failed."""


class Corner:
    """Handle of the process in which one contender trains."""

    def __init__(self, contender: Contender, case: Case) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection: Connection
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, contender.name, case), daemon=False)
        self._process.start()
        theirs.close()

    def answer(self) -> dict[str, Any]:
        """The next message of the process.

        Raises:
            ContenderError: If the process failed or ended.
        """
        try:
            said: dict[str, Any] = self._connection.recv()
        except EOFError:
            raise ContenderError("its process ended") from None
        if "failed" in said:
            raise ContenderError(said["failed"])
        return said

    def turn(self, steps: int) -> dict[str, Any]:
        """Let the contender train for one turn.

        Args:
            steps: Number of timed steps, after `SETTLE` untimed ones.
        """
        found: dict[str, Any] = {}
        for count in (SETTLE, steps):
            self._connection.send(count)
            found = self.answer()
        return found

    def close(self) -> None:
        """Close the connection, which ends the waiting process."""
        self._connection.close()

    def wait(self) -> None:
        """Wait until the process has ended; kill it after 20 s."""
        self._process.join(timeout=20)
        if self._process.is_alive():
            self._process.kill()


def match(
    case: Case, contenders: Iterable[Contender], rounds: int, steps: int | None = None, seconds: float = 0.3
) -> dict[str, Any]:
    """Time the steps of contenders, round by round.

    Args:
        steps: Steps per turn; by default 3 to 50, as many as take about ``seconds``.
        seconds: Duration of a turn where ``steps`` is not given.

    Returns:
        ``ms`` per step by contender, one per round; their ``memory``, ``deviation`` and ``steps`` of a turn; who is
        ``absent``, and why.
    """
    for variable in THREADS:
        os.environ[variable] = "1"
    contenders = list(contenders)
    absent = {contender.name: reason for contender in contenders if (reason := contender.missing())}
    corners = {c.name: Corner(c, case) for c in contenders if c.name not in absent}
    found: dict[str, Any] = {"ms": {}, "memory": {}, "deviation": {}, "absent": absent}
    try:
        _make_ready(corners, found)
        counts = {name: steps or _steps_in(seconds, _ms(corner, 3)) for name, corner in corners.items()}
        found["steps"] = counts
        for number in range(rounds):
            for name in random.Random(number).sample(sorted(corners), len(corners)):
                found["ms"].setdefault(name, []).append(_ms(corners[name], counts[name], found["memory"].get(name)))
    finally:
        for corner in corners.values():
            corner.close()
        for corner in corners.values():
            corner.wait()
    return found


def _make_ready(corners: dict[str, Corner], found: Mapping[str, Any]) -> None:
    for name, corner in list(corners.items()):
        try:
            said = corner.answer()
            corner.turn(1)  # compiles what is to be compiled
        except ContenderError as error:
            found["absent"][name] = str(error)
            corners.pop(name).close()
            continue
        found["deviation"][name] = said["deviation"]
        found["memory"][name] = {"before_mib": round(said.get("peak_mib", 0.0))}


def _ms(corner: Corner, steps: int, memory: dict[str, float] | None = None) -> float:
    found = corner.turn(steps)
    if memory is not None:
        memory["peak_mib"] = round(found.get("peak_mib", 0.0))
    return round(1e3 * float(found["seconds"]) / steps, 4)


def _steps_in(seconds: float, ms: float) -> int:
    return max(3, min(50, round(1e3 * seconds / ms)))
