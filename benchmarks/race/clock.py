"""The clock of a run: CPU seconds of this process and its children, without those of the errors it keeps."""

import os
from collections.abc import Callable, Mapping
from typing import Any

FIRST, RATIO = 2.0, 1.2  # CPU seconds of the first evaluation, and from one to the next
BUDGETS = (120.0, 600.0, 1800.0)


class Clock:
    """Counts CPU seconds, keeps errors at marks that lie ever further apart, and says when the budget is spent.

    Args:
        budget: CPU seconds.
        errors: Computes the errors of the present state.

    Attributes:
        history: ``seconds``, ``step``, ``phase`` and ``errors`` by evaluation.
        seconds: CPU seconds so far.
    """

    def __init__(self, budget: float, errors: Callable[[], Mapping[str, float | None]]) -> None:
        self.budget = budget
        self.history: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.step = 0
        self.phase = "first"
        self._errors = errors
        self._marks = marks(budget)
        self._since = 0.0

    @property
    def spent(self) -> bool:
        """Whether nothing is left of the budget."""
        return self.seconds >= self.budget

    def start(self) -> None:
        """Keep the errors of the start, if it is that of the run, and run."""
        if not self.history:
            self._keep()
        self._since = cpu_seconds()

    def tick(self, step: int) -> bool:
        """A step is done: keep its errors if a mark has passed.

        Args:
            step: Its number, from 1.

        Returns:
            Whether the budget is spent.
        """
        now = cpu_seconds()
        self.seconds, self._since, self.step = self.seconds + now - self._since, now, step
        if self._marks and self.seconds >= self._marks[0]:
            self._marks = [mark for mark in self._marks if mark > self.seconds]
            self._keep()
            self._since = cpu_seconds()
        return self.spent

    def stop(self) -> None:
        """Keep the errors of the last step; what comes between two phases is not counted."""
        if self.history and self.history[-1]["step"] != self.step:
            self._keep()

    def _keep(self) -> None:
        row = {"seconds": round(self.seconds, 2), "step": self.step, "phase": self.phase}
        self.history.append({**row, "errors": dict(self._errors())})


def cpu_seconds() -> float:
    """CPU seconds so far of this process and of its children that have ended, such as a compiler."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def marks(budget: float) -> list[float]:
    """When errors are kept: ever further apart, and at every shorter budget.

    Args:
        budget: CPU seconds.
    """
    found, mark = {b for b in BUDGETS if b < budget}, FIRST
    while mark < budget:
        found.add(mark)
        mark *= RATIO
    return [*sorted(found), budget]
