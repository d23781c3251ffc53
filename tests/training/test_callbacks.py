"""The callbacks of every run."""

from pathlib import Path

from helpers.toys import Decay, fit
from lightning_autobalance.training.callbacks import callbacks_of_every_run


def test_each_run_has_each_once_and_its_own(tmp_path: Path) -> None:
    kinds = [type(callback) for callback in callbacks_of_every_run()]
    assert len(set(kinds)) == len(kinds)
    first, second = fit(Decay(), tmp_path, max_steps=1), fit(Decay(), tmp_path, max_steps=1)
    for kind in kinds:
        one, other = ([c for c in run.callbacks if type(c) is kind] for run in (first, second))  # type: ignore[attr-defined]
        assert len(one) == len(other) == 1
        assert one[0] is not other[0]
