"""State by parameter, on a sum of everything seen."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.utils.buffers import ResizedBuffers
from lightning_autobalance.utils.parameter_columns import ParameterColumns


class Base(ResizedBuffers):
    """Has an extra state of its own."""

    calls = 0

    def get_extra_state(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


class Sums(ParameterColumns, Base):
    """Adds up what it sees by column."""

    per_parameter = ("total",)
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.empty(0))
        self.started: list[str] = []

    def see(self, value: float, **columns: int) -> list[float]:
        self.align(columns)
        n = sum(columns.values())
        self.total = self.total + value if self.total.numel() else torch.full((2, n), value)
        return self.total[1].tolist()

    def start(self, parameters: Any) -> None:
        self.started += parameters


class Forgets(Sums):
    """Keeps nothing of what is absent."""

    keeps_absent = False


def test_columns_follow_their_parameters() -> None:
    sums = Sums()
    assert sums.see(1, a=2, b=1) == [1, 1, 1]
    assert sums.see(1, b=1) == [2]  # a is frozen
    assert sums.see(1, b=1, c=2) == [3, 1, 1]  # c is new
    assert sums.see(10, c=2, a=2, b=1) == [11, 11, 11, 11, 13]  # in another order; a is back
    assert sums.started == ["c"]


def test_a_parameter_of_another_size_starts_anew() -> None:
    sums = Sums()
    sums.see(1, a=2, b=1)
    assert sums.see(1, a=3, b=1) == [1, 1, 1, 2]
    sums.see(1, b=1)
    assert sums.see(1, a=2, b=1) == [1, 1, 4]
    assert sums.started == ["a", "a"]


def test_what_is_absent_can_be_forgotten() -> None:
    sums = Forgets()
    sums.see(1, a=2, b=1)
    sums.see(1, b=1)
    assert sums.see(1, a=2, b=1) == [1, 1, 3]


def reloaded(module: nn.Module, into: nn.Module, **change: Any) -> Any:
    file = io.BytesIO()
    state = module.state_dict()
    if change.get("older"):
        state["_extra_state"] = {"calls": state["_extra_state"]["calls"]}
    torch.save(state, file)
    file.seek(0)
    into.load_state_dict(torch.load(file, weights_only=True))
    return into


def test_a_checkpoint_has_the_names_and_what_is_absent() -> None:
    sums = Sums()
    sums.calls = 5
    sums.see(1, a=2, b=1)
    sums.see(1, b=1)
    state = sums.state_dict()
    resumed = reloaded(sums, Sums())
    assert resumed.calls == 5
    assert resumed.see(1, b=1, a=2) == [3, 2, 2] == sums.see(1, b=1, a=2)
    assert list(state["_extra_state"]["aside"]) == ["a"]  # as it was when it was taken


def test_an_older_checkpoint_has_no_names() -> None:
    sums = Sums()
    sums.see(1, a=2, b=1)
    assert reloaded(sums, Sums(), older=True).see(1, a=2, b=1) == [2, 2, 2]
    with pytest.raises(ValueError, match=r"`total` of Sums .* each of the 1 numbers .* got 3 from an older checkpoint"):
        reloaded(sums, Sums(), older=True).see(1, b=1)


def test_used_by_itself_it_says_nothing_of_parameters() -> None:
    assert Sums().get_extra_state() == {"calls": 0}
