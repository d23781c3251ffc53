"""Relative balancing with random lookback, against numbers worked out by hand."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import ReLoBRaLo

LOSSES = [[1.0, 2.0], [0.5, 1.8], [0.5, 1.0], [0.1, 0.9]]


def run(method: ReLoBRaLo, losses: list[list[float]] = LOSSES) -> list[torch.Tensor]:
    return [method(view_of([[1.0], [1.0]], row, step)) for step, row in enumerate(losses)]


def hat(step: int, before: int, temperature: float) -> torch.Tensor:
    return 2 * torch.softmax(torch.tensor(LOSSES[step]).double() / torch.tensor(LOSSES[before]) / temperature, dim=0)


def test_the_first_two_steps() -> None:
    first, second, *_ = run(ReLoBRaLo(temperature=1.0))
    assert first.tolist() == [1.0, 1.0]
    assert_close(second.tolist(), [0.8026248, 1.1973752])  # 2 softmax(0.5, 0.9)


@pytest.mark.parametrize("rho", [0.0, 1.0])
def test_history_of_the_latest_weights_or_of_the_start(rho: float) -> None:
    weights = run(ReLoBRaLo(decay=0.8, rho=rho, temperature=0.5))
    for step in (2, 3):
        history = weights[step - 1] if rho == 1.0 else hat(step, 0, 0.5)
        assert_close(weights[step], 0.8 * history + 0.2 * hat(step, step - 1, 0.5))


def test_lookback_is_drawn_with_probability_rho_from_seed_and_step() -> None:
    method = ReLoBRaLo(rho=0.8, seed=3)
    draws = [method.generator(view_of([[1.0]], step=step)).random() < 0.8 for step in range(2000)]
    assert 0.77 < sum(draws) / len(draws) < 0.83
    weights = run(ReLoBRaLo(rho=0.5, seed=0), LOSSES * 5)
    again, other = run(ReLoBRaLo(rho=0.5, seed=0), LOSSES * 5), run(ReLoBRaLo(rho=0.5, seed=1), LOSSES * 5)
    assert torch.equal(torch.stack(weights), torch.stack(again))
    assert not torch.equal(torch.stack(weights), torch.stack(other))


@pytest.mark.parametrize(("before", "now", "expected"), [(0.0, 0.0, [1.0, 1.0]), (0.0, 1.0, [2.0, 0.0])])
def test_losses_of_zero(before: float, now: float, expected: list[float]) -> None:
    assert run(ReLoBRaLo(), [[before, 1.0], [now, 1.0]])[1].tolist() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 1.0}, "`decay` must be >= 0 and < 1, got 1.0"),
        ({"rho": 1.5}, "`rho` must be >= 0 and <= 1, got 1.5"),
        ({"temperature": -1.0}, "`temperature` must be finite and > 0, got -1.0"),
        ({"seed": -1}, "`seed` must be >= 0, got -1"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReLoBRaLo(**options)
