"""How long a run will take."""

import logging
from pathlib import Path

import pytest

from helpers.toys import Decay, fit
from lightning_autobalance.callbacks import forecast as room
from lightning_autobalance.callbacks.forecast import Forecast, forecast, in_words
from lightning_autobalance.optim.finish import LevenbergMarquardt


@pytest.mark.parametrize(("seconds", "words"), [(75, "75 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_sentence() -> None:
    assert forecast(30_000, 50.0) == "About 10 min for the 30,000 steps left, at 50 steps/s."
    assert forecast(3_000, 10.0, 100, 512.4) == (
        "About 5 min for the 3,000 steps left before the 100 of the finish, at 10 steps/s; memory so far: 512 MiB."
    )


def test_it_is_said_once_and_only_where_the_run_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "MEASURED", 0.0)
    with caplog.at_level(logging.INFO):
        fit(Decay(), tmp_path, max_steps=60, callbacks=[Forecast()])
        assert not any("steps left" in message for message in caplog.messages)
        monkeypatch.setattr(room, "WORTH", 0.0)
        fit(Decay(steps_per_call=10, finish=LevenbergMarquardt(2)), tmp_path, max_steps=60, callbacks=[Forecast()])
    (said,) = [message for message in caplog.messages if "steps left" in message]
    assert "for the 16 steps left before the 2 of the finish" in said


def test_a_call_ends_where_the_time_is_read() -> None:
    watch = Forecast()
    assert watch.next_due_step(3) is None
    watch._due = 20
    assert (watch.next_due_step(3), watch.next_due_step(25)) == (20, 25)
