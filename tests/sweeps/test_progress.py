"""What a sweep shows: counts, the time left, the last line."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from helpers.sweeps import runs
from lightning_autobalance.sweeps.progress import Progress, Speeds, duration
from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.worker import Outcome


def result(run: Run, seconds: float) -> dict[str, Any]:
    return {"problem": run.problem, "iterations": run.iterations, "seconds": seconds, "mse": 0.5, "linf": 2.0}


class Shown:
    def __init__(self, wanted: list[Run], *, workers: int = 1, terminal: bool = False, results: Any = ()) -> None:
        self.now, self.text = 0.0, StringIO()
        console = Console(file=self.text, force_terminal=terminal, width=120, color_system=None)
        self.progress = Progress(wanted, workers, Speeds(results), console=console, clock=lambda: self.now)


def test_the_time_left_follows_from_the_runs_that_ended() -> None:
    a, b, c, d = wanted = runs(*"abcd")
    shown = Shown(wanted, workers=2)
    assert shown.progress.running == [a, b]
    assert shown.progress.seconds_left() is None
    shown.now = 20.0
    shown.progress.add(Outcome(a, result(a, 20.0)))
    assert shown.progress.running == [b, c]
    assert shown.progress.seconds_left() == (0 + 20 + 20) / 2  # b has had its 20 s
    shown.now = 25.0
    assert shown.progress.seconds_left() == 20.0  # not (0 + 15 + 20) / 2: d takes as long by itself
    shown.progress.add(Outcome(b, error="no"))
    shown.progress.add(Outcome(c, result(c, 40.0)))
    assert (
        shown.progress.seconds_left() == 30.0
    )  # d alone, at the mean of 20 s and 40 s, whatever the other worker does
    assert (shown.progress.done, shown.progress.failed) == (2, 1)
    shown.progress.add(Outcome(d, result(d, 30.0)))
    assert shown.progress.seconds_left() == 0.0


def test_a_problem_has_its_own_speed_where_it_is_known() -> None:
    speeds = Speeds(
        [{"problem": "p", "iterations": 10, "seconds": 5.0}, {"problem": "q", "iterations": 10, "seconds": 20}]
    )
    assert speeds.seconds(Run("p", "m", 0, 100, ())) == 50.0
    assert speeds.seconds(Run("q", "m", 0, 100, ())) == 200.0
    assert speeds.seconds(Run("other", "m", 0, 100, ())) == 125.0
    assert Speeds([{"problem": "p"}]).seconds(Run("p", "m", 0, 1, ())) is None


def test_runs_of_this_sweep_tell_more_than_earlier_ones() -> None:
    earlier = {"problem": "p", "variant": "v", "iterations": 10, "seconds": 50.0}
    speeds = Speeds([earlier, {**earlier, "variant": "w", "seconds": 10.0}])
    run = Run("p", "m", 0, 100, (), variant="v")
    assert speeds.seconds(run) == 500.0
    speeds.add({**earlier, "variant": "w", "seconds": 2.0})
    assert speeds.seconds(run) == 20.0
    speeds.add({**earlier, "seconds": 6.0})
    assert speeds.seconds(run) == 60.0


def test_plain_lines_where_there_is_no_terminal() -> None:
    a, b = runs("a", "b")
    shown = Shown([a, b])
    with shown.progress as progress:
        progress.add(Outcome(a, result(a, 7.0)))
        progress.add(Outcome(b, error="ValueError: [no]"))
    assert shown.text.getvalue().splitlines() == [
        "toy plain a 0 10: mse 0.5, linf 2 (1 of 2 done, 1 running, 0 failed, about 7 s left)",
        "toy plain b 1 10: ValueError: [no] (1 of 2 done, 0 running, 1 failed, about 0 s left)",
    ]


def test_a_display_on_a_terminal() -> None:
    a, b, _ = wanted = runs("a", "b", "c")
    shown = Shown(wanted, terminal=True)
    with shown.progress as progress:
        progress.add(Outcome(b, error="ValueError: no"))
        progress.add(Outcome(a, result(a, 7.0)))
        progress._live.refresh()
    text = shown.text.getvalue()
    assert "toy plain b 1 10: ValueError: no\n" in text.replace("\r", "")
    assert "1 of 3 done, 1 running, 1 failed, about 7 s left" in text
    assert "last: toy plain a 0 10: mse 0.5, linf 2" in text


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5999, "100 min"), (9000, "2.5 h")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
