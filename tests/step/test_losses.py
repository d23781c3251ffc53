"""Stage 1 by hand: points to residuals to losses, with a variant that notes what it is asked."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from lightning_autobalance.step.losses import (
    OwnLosses,
    ResidualLosses,
    losses_outside_training,
    select,
    variant_losses,
    weighted,
)
from lightning_autobalance.utils import distributed
from lightning_autobalance.variants import MeanSquares, StepContext, Variant

POINTS = {"interior": torch.tensor([[1.0], [3.0]])}


def residuals(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    x = points["interior"]
    return {"pde": x[:, 0], "data": torch.cat([x, 2 * x], dim=1)}


class Doubles(Variant):
    """Shifts the points by 1 in `place`, by 10 in `perturb`; doubles residuals; counts what it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def begin(self, context: StepContext, points: Mapping[str, Tensor]) -> None:
        self.calls.append(f"begin {context.step} with pde {context.residuals(points)['pde'].tolist()}")

    def place(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {part: x + 1 for part, x in points.items()}

    def perturb(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {part: x + 10 for part, x in points.items()}

    def learn(self, points: Mapping[str, Tensor], residuals: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.calls.append("learn")
        return self.rows(points, residuals)

    def rows(self, points: Mapping[str, Tensor], residuals: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {term: 2 * r for term, r in residuals.items()}


def test_a_step_begins_places_and_perturbs_the_points() -> None:
    variant = Doubles()
    points = ResidualLosses(variant, residuals).begin(POINTS, 5)
    assert points["interior"].tolist() == [[12.0], [14.0]]
    assert variant.calls == ["begin 5 with pde [1.0, 3.0]"]


def test_points_are_leaves_of_the_graph() -> None:
    class Differentiates(Variant):
        def place(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {part: x.clone().requires_grad_() * 1 for part, x in points.items()}

    x = ResidualLosses(Differentiates(), residuals).begin(POINTS, 0)["interior"]
    assert x.requires_grad
    assert x.is_leaf
    assert not ResidualLosses(MeanSquares(), residuals).begin(POINTS, 0)["interior"].requires_grad


def test_losses_are_mean_squares_and_count_their_values() -> None:
    values, counts = ResidualLosses(MeanSquares(), residuals)(POINTS)
    assert {term: float(loss) for term, loss in values.items()} == {"pde": 5.0, "data": 12.5}
    assert counts == {"pde": 2, "data": 4}


def test_only_the_losses_of_the_step_move_the_state_on() -> None:
    variant = Doubles()
    stage = ResidualLosses(variant, residuals)
    assert float(stage(POINTS).values["pde"]) == 20.0
    assert float(stage.again(POINTS)["pde"]) == 20.0
    assert float(variant_losses(variant, residuals, POINTS).values["pde"]) == 20.0
    assert variant.calls == ["learn", "learn"]


def test_losses_outside_training_are_those_of_the_placed_points() -> None:
    variant = Doubles()
    losses = losses_outside_training(variant, residuals, POINTS)
    assert float(losses["pde"]) == 40.0  # of 2 * (1 + 1) and 2 * (3 + 1)
    assert variant.calls == []


def test_losses_outside_training_ask_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed.dist, "get_world_size", lambda: 2)

    def alone(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert distributed.world_size() == 1
        return residuals(points)

    assert losses_outside_training(MeanSquares(), alone, POINTS).keys() == {"pde", "data"}
    assert distributed.world_size() == 2


def test_losses_of_ones_own_count_once_and_know_no_variant() -> None:
    stage = OwnLosses(lambda points: {"a": points["interior"].sum()}, "Mine")
    assert stage.begin(POINTS, 3) == POINTS
    values, counts = stage(POINTS)
    assert float(values["a"]) == float(stage.again(POINTS)["a"]) == 4.0
    assert counts == {"a": 1}


def test_weights_and_selection() -> None:
    losses = {"a": torch.tensor(1.0), "b": torch.tensor(2.0)}
    assert {term: float(x) for term, x in weighted(losses, {"b": 10.0}).items()} == {"a": 1.0, "b": 20.0}
    assert list(select(losses, ("b", "a"))) == ["a", "b"]
    assert list(select(losses, ("b",))) == ["b"]
    assert list(select(losses, ())) == ["a", "b"]
