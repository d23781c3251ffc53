"""The cost of the optimizer's step: what is timed, and how."""

import time

import pytest
from torch import nn

from benchmarks import optimizer_step


def test_the_network_has_the_named_size() -> None:
    width, layers = optimizer_step.NETS["3x50"]
    net = optimizer_step.network(width, layers)
    sizes = [(module.in_features, module.out_features) for module in net if isinstance(module, nn.Linear)]
    assert sizes == [(2, 50), (50, 50), (50, 50), (50, 1)]
    assert isinstance(net[-1], nn.Linear)


def test_tasks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_step, "SLOT", 1e-4)
    calls: list[str] = []

    def slow() -> None:
        calls.append("slow")
        until = time.thread_time() + 2e-3  # longer than a slot: one call per turn
        while time.thread_time() < until:
            pass

    rounds = optimizer_step.in_turns({"slow": slow, "fast": lambda: calls.append("fast")}, 3)
    assert [list(times) for times in rounds] == [["slow", "fast"]] * 3
    assert calls.count("slow") == 5 + 3  # five to find out how long it takes
    assert calls.count("fast") > 5 + 3
    assert all(times["slow"] >= 2000 > times["fast"] for times in rounds)  # microseconds


def test_a_step_is_compared_with_the_fastest_kernel() -> None:
    row = optimizer_step.step_cost("3x50", 2, 0.0, rounds=2)
    medians = {name: row[f"{name}_us"]["median"] for name in optimizer_step.KERNELS}
    assert set(row) == {"net", "terms", "weight_decay", "ratio", "fastest", "auto_adamw_us"} | {
        f"{name}_us" for name in medians
    }
    assert medians[row["fastest"]] == min(medians.values())
    assert row["ratio"]["lower"] <= row["ratio"]["median"] <= row["ratio"]["upper"]
