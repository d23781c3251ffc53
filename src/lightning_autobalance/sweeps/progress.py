"""The progress of a sweep: a live display on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.worker import Outcome


class Speeds:
    """Seconds per optimizer step of the runs that ended.

    Args:
        results: Lines of a results file. They may be of another machine, so they count only until the first run of
            this sweep has ended.
    """

    def __init__(self, results: Iterable[Mapping[str, Any]] = ()) -> None:
        self._now: dict[Any, list[float]] = {}
        self._earlier: dict[Any, list[float]] = {}
        for result in results:
            _note(result, self._earlier)

    def add(self, result: Mapping[str, Any]) -> None:
        """Take in the line of a run of this sweep."""
        _note(result, self._now)

    def seconds(self, run: Run) -> float | None:
        """Estimated time of a run, from its first step; None as long as no run has ended.

        From the runs of the same problem and variant, else of the same problem, else from all.
        """
        keys = ((run.problem, run.variant), run.problem)
        for known in (*(table.get(key) for table in (self._now, self._earlier) for key in keys), self._all()):
            if known:
                return fmean(known) * run.iterations
        return None

    def _all(self) -> list[float]:
        return [
            x for table in (self._now, self._earlier) for key, xs in table.items() if isinstance(key, str) for x in xs
        ]


def _note(result: Mapping[str, Any], table: dict[Any, list[float]]) -> None:
    if result.get("seconds") and result["iterations"]:
        for key in ((result["problem"], result.get("variant", "plain")), result["problem"]):
            table.setdefault(key, []).append(result["seconds"] / result["iterations"])


class Progress:
    """Counts and display of a sweep.

    Args:
        runs: In the order in which they start.
        workers: Runs at once.
        speeds: Of earlier runs; takes in those of this sweep.
        console: Gets the display or the lines.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        runs: list[Run],
        workers: int,
        speeds: Speeds,
        *,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.done = self.failed = 0
        self.last = ""
        self._left, self._total, self._workers = list(runs), len(runs), workers
        self._speeds, self._console, self._clock = speeds, console, clock
        self._since: dict[Run, float] = {}
        self._live = Live(get_renderable=self._display, console=console, refresh_per_second=2, transient=True)
        self._start()

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @property
    def running(self) -> list[Run]:
        """The runs under way, since workers take them in order."""
        return self._left[: self._workers]

    def add(self, outcome: Outcome[Run]) -> None:
        """Count a run that ended, and print a line about it where there is no live display."""
        self._left.remove(outcome.run)
        name = " ".join(str(part) for part in outcome.run.key)
        if outcome.result is None:
            self.failed += 1
            self.last = f"{name}: {outcome.error}"
        else:
            self.done += 1
            self._speeds.add(outcome.result)
            self.last = f"{name}: mse {outcome.result['mse']:.3g}, linf {outcome.result['linf']:.3g}"
        self._start()
        self._tell(failed=outcome.result is None)

    def seconds_left(self) -> float | None:
        """Estimated time until the last run ends; None as long as no run has ended.

        The time of all remaining runs divided by the workers, but at least that of the longest one.
        """
        now = self._clock()
        estimates = [self._speeds.seconds(run) for run in self._left]
        if not all(seconds is not None for seconds in estimates):
            return None
        rest = [
            max(0.0, (seconds or 0.0) - now + self._since.get(run, now))
            for run, seconds in zip(self._left, estimates, strict=True)
        ]
        return max(sum(rest) / self._workers, *rest, 0.0)

    def _start(self) -> None:
        for run in self.running:
            self._since.setdefault(run, self._clock())

    def _tell(self, *, failed: bool) -> None:
        if not self._console.is_terminal:
            self._console.print(f"{self.last} ({self._counts()})", markup=False, highlight=False, soft_wrap=True)
        elif failed:  # stays above the display
            self._console.print(self.last, style="red", markup=False, highlight=False)

    def _counts(self) -> str:
        left = self.seconds_left()
        return f"{self.done} of {self._total} done, {len(self.running)} running, {self.failed} failed, " + (
            f"about {duration(left)} left" if left is not None else "time left unknown"
        )

    def _display(self) -> Table:
        table = Table.grid(expand=True)
        table.add_row(ProgressBar(self._total, self.done + self.failed))
        table.add_row(Text(self._counts()))
        table.add_row(Text(f"last: {self.last}" if self.last else "last: none yet", style="dim", overflow="ellipsis"))
        return table


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, rounded for reading."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
