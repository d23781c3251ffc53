"""State of several processes, in one that acts as the second of two."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from lightning_autobalance.training import distributed_state
from lightning_autobalance.training.distributed_state import (
    gather_per_point_state,
    keep_own_per_point_state,
    synchronise,
)
from lightning_autobalance.utils import distributed

IGNORED = "_ddp_params_and_buffers_to_ignore"


class Several(Trainer):
    """Of several processes, the first of which has 7 everywhere."""

    strategy: Any = None
    world_size: Any = 0

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size
        self.strategy = SimpleNamespace(broadcast=self._first)

    @staticmethod
    def _first(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: torch.full(buffer.shape, 7.0) for name, buffer in value.items()}
        return 7


class Part(nn.Module):
    def __init__(self, seed: int | None) -> None:
        super().__init__()
        self.seed = seed
        self.register_buffer("state", torch.tensor([1, 2]))


class Module(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)
        self.register_buffer("scale", torch.tensor(0.5, dtype=torch.float64))
        self.seeded, self.unseeded = Part(3), Part(None)


@pytest.mark.parametrize("trainer", [None, Several(1)])
def test_a_single_process_changes_nothing(trainer: Trainer | None) -> None:
    module = Module()
    synchronise(module, trainer)
    assert (float(module.scale), module.seeded.seed) == (0.5, 3)
    assert IGNORED not in vars(module)


def test_buffers_and_seeds_become_those_of_the_first_process() -> None:
    module = Module()
    weight, scale = module.net.weight.clone(), module.scale
    synchronise(module, Several(2))
    assert module.scale is scale
    assert (float(module.scale), module.scale.dtype) == (7.0, torch.float64)
    assert module.seeded.state.tolist() == [7, 7]
    assert module.seeded.state.dtype == torch.int64
    assert (module.seeded.seed, module.unseeded.seed) == (7, None)
    assert torch.equal(module.net.weight, weight)  # DDP's own task
    assert vars(module)[IGNORED] == ["scale", "seeded.state", "unseeded.state"]


class PerPoint(nn.Module):
    """Its weights have one row per point, its history one column."""

    per_point = {"weights": 0, "history": 1, "absent": 0}  # noqa: RUF012


def state() -> dict[str, Any]:
    return {
        "net.weight": torch.arange(4.0),
        "variant.1.weights": torch.arange(5.0),
        "variant.1.history": torch.arange(10).reshape(2, 5),
        "variant.2.weights": torch.empty(0),  # before the first step
        "variant.2.history": torch.arange(3),  # has no such axis
        "variant.3.history": torch.empty(0, 4),  # before the first step
        "weights": torch.arange(3.0),
    }


def changed(found: dict[str, Any]) -> set[str]:
    return {key for key, value in state().items() if not torch.equal(found[key], value)}


def test_a_process_keeps_the_rows_of_its_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    found, average = state(), state()
    keep_own_per_point_state(nn.Sequential(nn.Identity(), PerPoint(), PerPoint(), PerPoint()), found, average, {})
    assert changed(average) == changed(found)
    assert found["variant.1.weights"].tolist() == [1.0, 3.0]
    assert found["variant.1.history"].tolist() == [[1, 3], [6, 8]]
    assert changed(found) == {"variant.1.weights", "variant.1.history"}


def test_the_rows_of_all_processes_are_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(x: Tensor, axis: int) -> Tensor:  # as if the other process had the same
        return torch.cat([x, x], dim=axis)

    monkeypatch.setattr(distributed_state, "gather_rows", twice)
    found = state()
    gather_per_point_state(nn.Sequential(nn.Identity(), PerPoint(), PerPoint(), PerPoint()), found)
    assert found["variant.1.weights"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0] * 2
    assert found["variant.1.history"].tolist() == [[0, 1, 2, 3, 4] * 2, [5, 6, 7, 8, 9] * 2]
    assert changed(found) == {"variant.1.weights", "variant.1.history"}


def test_a_variant_without_state_per_point_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    found = state()
    keep_own_per_point_state(nn.Identity(), found)
    assert changed(found) == set()
