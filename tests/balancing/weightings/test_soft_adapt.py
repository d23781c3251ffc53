"""Weights from slopes, against numbers worked out by hand."""

from math import exp
from typing import Any

import pytest
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import SoftAdapt

BEFORE, NOW = [3.0, 1.0], [1.0, 2.0]  # slopes -2 and 1


def second(method: SoftAdapt, before: list[float] = BEFORE, now: list[float] = NOW) -> list[float]:
    assert method(view_of([[1.0], [1.0]], before)).tolist() == [1.0, 1.0]
    weights: list[float] = method(view_of([[1.0], [1.0]], now, step=1)).tolist()
    return weights


def shares(a: float, b: float) -> list[float]:
    return [2 * a / (a + b), 2 * b / (a + b)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, shares(exp(-0.2), exp(0.1))),
        ({"beta": -1.0}, shares(exp(2.0), exp(-1.0))),
        ({"beta": 1.0, "normalized": True}, shares(exp(-2 / 3), exp(1 / 3))),
        ({"loss_weighted": True}, shares(exp(-0.2), 2 * exp(0.1))),
        ({"beta": 0.0}, [1.0, 1.0]),
    ],
)
def test_values_by_hand(options: dict[str, Any], expected: list[float]) -> None:
    assert_close(second(SoftAdapt(**options)), expected)


def test_normalized_slopes_do_not_see_the_scale() -> None:
    small, large = ([[scale * x for x in row] for row in (BEFORE, NOW)] for scale in (1e-6, 1e6))
    assert_close(second(SoftAdapt(normalized=True), *small), second(SoftAdapt(normalized=True), *large))


@pytest.mark.parametrize("options", [{}, {"normalized": True}, {"loss_weighted": True}])
def test_losses_of_zero_count_as_equal(options: dict[str, Any]) -> None:
    assert second(SoftAdapt(**options), [0.0, 0.0], [0.0, 0.0]) == [1.0, 1.0]


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match="`beta` must be finite, got inf"):
        SoftAdapt(float("inf"))
