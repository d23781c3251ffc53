"""A run that is killed again and again ends in the same state, to the last bit."""

import random
import signal
from pathlib import Path

import pytest
import torch

from helpers.runs import SAVE_EVERY, assert_same_state, stopped, train_and_save


@pytest.mark.parametrize(
    ("how", "times", "steps"),
    [
        pytest.param(signal.SIGKILL, 3, 60, id="three-kills"),
        pytest.param(signal.SIGKILL, 20, 400, id="twenty-kills", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 2, 50, id="SIGTERM"),
        pytest.param(signal.SIGINT, 2, 50, id="SIGINT"),
    ],
)
def test_a_run_that_is_stopped_ends_in_the_same_state(
    how: signal.Signals, times: int, steps: int, tmp_path: Path
) -> None:
    rng = random.Random(0)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for _ in range(times):
        done = stopped(parts, steps, how, rng)
        assert 0 < done < steps, "the run was over before it could be stopped: give it more steps"
        saved = {p.stem: torch.load(p, weights_only=True)["global_step"] for p in parts.glob("*.ckpt")}
        assert saved.get("last", 0) >= (done if how == signal.SIGTERM else done - SAVE_EVERY)
    train_and_save(parts, steps)
    train_and_save(whole, steps)
    found = [torch.load(folder / "last.ckpt", weights_only=True) for folder in (parts, whole)]
    assert found[0]["global_step"] == steps
    assert_same_state(*found)
