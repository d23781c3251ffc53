"""The rule of ``compile: auto``: long runs, narrow networks, a compiler."""

import json
from dataclasses import replace
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, Timer

from benchmarks.compile_cost import CASES
from helpers.toys import Decay, trainer
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim.finish import LevenbergMarquardt
from lightning_autobalance.training import compile_rule
from lightning_autobalance.training.compile_rule import (
    WIDEST,
    RunFacts,
    facts,
    finishing_steps,
    has_compiler,
    seconds_of_run,
    steps_enough,
    steps_of_run,
    units,
    why_not,
    widest,
)

LONG = RunFacts(steps=30_000, width=50)
MEASURED = json.loads((Path(__file__).parents[2] / "results/speed/compile.json").read_text())["cases"]


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_rule, "has_compiler", lambda device: device != "mps")


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"steps": inf}, ""),
        ({"width": WIDEST, "seconds": 300.0, "precision": "64-true", "device": "cuda"}, ""),
        ({"steps": 29_999}, "its 29,999 steps are fewer than 30,000"),
        ({"steps": 2_000, "values": 2e6}, ""),
        ({"steps": 2_000, "values": 1e6}, "its 2,000 steps are fewer than 3,601"),
        ({"seconds": 299.0}, "its 299 s are less than 300"),
        ({"own_losses": True}, "the module has `losses` of its own"),
        ({"width": WIDEST + 1}, "a layer of 401 units is wider than 400"),
        ({"precision": "bf16-mixed"}, "the precision is bf16-mixed"),
        ({"device": "mps"}, "there is no compiler for mps"),
    ],
)
def test_why_not(change: dict[str, Any], reason: str) -> None:
    assert why_not(replace(LONG, **change)) == reason


@pytest.mark.parametrize("name", MEASURED)
def test_the_rule_promises_less_than_was_measured(name: str) -> None:
    case, found = CASES[name], MEASURED[name]
    assert steps_enough(sum(case.counts.values()) * units(case.net())) > found["steps"] > 0
    assert found["ratio"] < 1


def test_a_short_run_looks_for_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_rule, "has_compiler", lambda _: pytest.fail("it takes a second to find out"))
    assert why_not(replace(LONG, steps=100)) != ""


def test_compilers() -> None:
    assert not has_compiler("mps")
    assert has_compiler("cuda") == torch.utils._triton.has_triton()
    with torch._inductor.config.patch({"cpp.cxx": (None, "true")}):
        assert has_compiler("cpu")
        with torch._dynamo.config.patch(disable=True):
            assert not has_compiler("cpu")
    with torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        assert not has_compiler("cpu")


@pytest.mark.parametrize(
    ("max_steps", "max_epochs", "steps"), [(70, -1, 70), (-1, 3, 12), (70, 3, 12), (5, 3, 5), (-1, -1, inf)]
)
def test_steps_of_a_run(max_steps: int, max_epochs: int, steps: float) -> None:
    assert steps_of_run(max_steps, max_epochs, 4) == steps


def test_steps_of_a_finish_are_not_compiled() -> None:
    assert finishing_steps(None, 100) == 0
    assert finishing_steps(LevenbergMarquardt(30), 100) == 30
    assert finishing_steps(LevenbergMarquardt(-1), 100) == 100


def test_the_shortest_limit_on_time_counts() -> None:
    assert seconds_of_run([EarlyStopping("x"), Timer(), Timer(timedelta(hours=1)), Timer("00:00:02:00")]) == 120
    assert seconds_of_run([]) == inf


def test_the_size_of_a_network() -> None:
    assert widest(MLP(2, 1, [30, 70, 20])) == 70
    assert units(MLP(2, 1, [30, 70, 20])) == 121
    assert units(torch.nn.Identity()) == 0
    assert widest(torch.nn.Identity()) == 0


def test_facts_of_a_run(tmp_path: Any) -> None:
    run = trainer(tmp_path, max_steps=120, max_epochs=-1, max_time="00:00:10:00")
    assert facts(run, Decay(finish=LevenbergMarquardt(20))) == RunFacts(steps=100, width=8, seconds=600.0)
