"""A number that stays in its range, whatever its parameter."""

from math import inf, nan

import pytest
import torch

from lightning_autobalance.nets.bounded import Bounded


@pytest.mark.parametrize(("initial", "low", "high"), [(1e-3, 0.0, inf), (2.5, -1.0, inf), (0.3, 0.0, 1.0)])
def test_it_starts_at_the_guess_and_stays_in_its_range(initial: float, low: float, high: float) -> None:
    number = Bounded(initial, low, high)
    assert number().item() == pytest.approx(initial, rel=1e-6)
    for raw in (-10.0, 10.0):
        number.raw.data.fill_(raw)
        assert low < number().item() < high
    number.fill_(0.5)
    assert number().item() == pytest.approx(0.5)


def test_it_is_learned() -> None:
    number = Bounded(1.0)
    optimizer = torch.optim.Adam(number.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        (number() - 0.05).abs().backward()
        optimizer.step()
    assert number().item() == pytest.approx(0.05, rel=0.1)


def test_it_takes_the_default_type_and_shows_its_range() -> None:
    assert Bounded(1.0).raw.dtype == torch.float32
    assert repr(Bounded(0.5, 0, 1)) == "Bounded(low=0, high=1)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0,), r"`initial` must be in \(0, inf\), got 0.0"),
        ((2.0, 0.0, 1.0), r"`initial` must be in \(0, 1\), got 2.0"),
        ((nan,), "`initial` must be in"),
        ((1.0, -inf), "`low` must be finite and below `high`"),
        ((1.0, 2.0, 1.0), "`low` must be finite and below `high`, got 2.0 and 1.0"),
    ],
)
def test_bad_arguments(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bounded(*arguments)
    with pytest.raises(ValueError, match="`initial` must be in"):
        Bounded(1.0).fill_(-1.0)
