"""Contenders take turns between processes."""

import os
from multiprocessing import Pipe

import pytest
import torch

from benchmarks.peers import growth, shares
from benchmarks.peers.agreement import DisagreementError, deviation
from benchmarks.peers.case import Case
from benchmarks.peers.contenders import BY_NAME
from benchmarks.peers.match import _steps_in, match
from benchmarks.peers.worker import Finished, Turns, checked, memory


def test_a_training_waits_for_its_turn() -> None:
    here, there = Pipe()
    turns = Turns(there)
    for order in (3, 1, None):
        here.send(order)
    turns()  # of the step before the first turn
    assert not here.poll()
    turns()
    turns()
    assert not here.poll()
    turns()
    first = here.recv()
    assert first["seconds"] > 0
    with pytest.raises(Finished):
        turns()
    assert here.recv()["seconds"] < first["seconds"] + 1


@pytest.mark.skipif(not memory(), reason="this system does not tell the largest resident memory")
def test_peak_memory_remembers_what_was_freed() -> None:
    before = memory()["peak_mib"]
    block = torch.ones(int(before * 2**18))  # as much again
    del block
    assert memory()["peak_mib"] > 1.5 * before


def test_the_check_leaves_this_process_alone() -> None:
    case = Case("helmholtz_2d", {"interior": 20, "boundary": 8})
    made = BY_NAME["nested"].setup(case)
    seen = []
    found = checked(case, made._replace(losses=lambda: seen.append(1) or case.losses(made.net, case.data)))
    assert found == deviation(case, made)
    assert not seen
    with pytest.raises(DisagreementError, match=r"^Losses and gradients must agree"):
        checked(case, made._replace(losses=lambda: {k: 2 * v for k, v in case.losses(made.net, case.data).items()}))
    with pytest.raises(DisagreementError, match="its process ended"):
        checked(case, made._replace(losses=lambda: os._exit(1)))


@pytest.mark.parametrize(("ms", "steps"), [(1.0, 50), (10.0, 30), (500.0, 3)])
def test_a_turn_takes_about_its_time(ms: float, steps: int) -> None:
    assert _steps_in(0.3, ms) == steps


@pytest.mark.slow
def test_a_match_of_three() -> None:
    case = Case("helmholtz_2d", {"interior": 20, "boundary": 8})
    contenders = [BY_NAME["loop"], BY_NAME["products"], BY_NAME["nested"]._replace(needs="no_such_peer")]
    found = match(case, contenders, rounds=3, steps=2)
    assert {name: len(ms) for name, ms in found["ms"].items()} == {"loop": 3, "products": 3}
    assert all(ms > 0 for times in found["ms"].values() for ms in times)
    assert found["absent"] == {"nested": "`no_such_peer` is not installed"}
    assert found["deviation"]["products"] is None
    assert 0 < found["deviation"]["loop"] < 1e-4
    assert found["memory"].keys() == {"loop", "products"}


@pytest.mark.slow
def test_a_contender_that_fails_is_absent() -> None:
    found = match(Case("helmholtz_2d", {"interior": 0}), [BY_NAME["nested"]], rounds=1, steps=1)
    assert found["ms"] == {}
    assert "ValueError" in found["absent"]["nested"]


def test_every_curve_passes_the_benchmark_itself() -> None:
    usual = Case("helmholtz_2d")
    for axis, at in (("points", 2000), ("width", 50), ("terms", 2)):
        assert at in growth.AXES[axis]
        made = growth.case(axis, at)
        assert (made.counts, made.width, made.parts) == (usual.counts, usual.width, usual.parts)
    assert len(growth.case("terms", 16).residuals) == 16


class Event:
    def __init__(self, name: str, time: float, parent: "Event | None" = None) -> None:
        self.name, self.self_cpu_time_total, self.cpu_parent = name, time, parent


def test_time_is_that_of_the_innermost_kind() -> None:
    step = Event("step", 10.0)
    losses = Event("losses", 20.0, step)
    linear = Event("aten::linear", 1.0, losses)
    tanh = Event("aten::tanh", 5.0, losses)
    events = [step, losses, linear, tanh, Event("aten::mm", 40.0, linear), Event("aten::mul", 24.0, losses)]
    assert shares.of_events([*events, Event("aten::ones", 900.0)]) == {
        "matrix products": 0.4,
        "elementwise operations": 0.29,
        "rest of the forward pass": 0.21,
        "rest of the backward pass": 0.1,
    }


def test_all_of_the_optimizer_is_the_optimizers() -> None:
    optimizer = Event("optimizer", 1.0, Event("step", 0.0))
    assert shares.of_events([optimizer, Event("aten::mul", 3.0, optimizer)]) == {"optimizer": 1.0}


def test_shares_of_a_real_step_have_all_kinds() -> None:
    found = shares.shares(Case("helmholtz_2d", {"interior": 200, "boundary": 20}), steps=3)
    assert found.keys() == set(shares.KINDS.values())
    assert sum(found.values()) == pytest.approx(1.0, abs=0.01)
