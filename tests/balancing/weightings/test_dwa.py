"""Weights from the fall of losses, against numbers worked out by hand."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import DWA


def run(method: DWA, losses: list[list[float]]) -> list[list[float]]:
    return [method(view_of(torch.ones(len(row), 2), row, step)).tolist() for step, row in enumerate(losses)]


@pytest.mark.parametrize(
    ("before", "last", "expected"),
    [
        ([1.0, 1.0], [0.5, 0.9], [0.9003320054, 1.0996679946]),
        ([1.0, 1.0, 1.0], [0.2, 1.0, 2.0], [0.6058858406, 0.9038754609, 1.4902386985]),
    ],
)
def test_values_by_hand(before: list[float], last: list[float], expected: list[float]) -> None:
    weights = run(DWA(window=1), [before, last, [7.0] * len(last)])
    assert weights[0] == weights[1] == [1.0] * len(last)
    assert_close(weights[2], expected, rtol=0.0, atol=6e-11)


def test_windows_are_averages() -> None:
    weights = run(DWA(window=2), [[1.5, 0.5], [0.5, 1.5], [0.25, 0.9], [0.75, 0.9], [9.0, 9.0], [9.0, 1.0]])
    assert weights[:4] == [[1.0, 1.0]] * 4
    assert_close(weights[4], [0.9003320054, 1.0996679946], rtol=0.0, atol=6e-11)
    assert weights[5] == weights[4]


@pytest.mark.parametrize(
    ("before", "last", "expected"),
    [
        ([0.0, 1.0], [0.0, 1.0], [1.0, 1.0]),
        ([0.0, 1.0], [1.0, 1.0], [2.0, 0.0]),
        ([1.0, 1.0], [float("nan"), 1.0], [1.0, 1.0]),
        ([1.0, 1.0], [1e5, 1.0], [2.0, 0.0]),  # exp(1e5) would overflow
        ([1.0, 1.0], [float("inf"), float("inf")], [1.0, 1.0]),
    ],
)
def test_what_cannot_be_divided(before: list[float], last: list[float], expected: list[float]) -> None:
    assert run(DWA(window=1), [before, last, [1.0, 1.0]])[2] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "`window` must be >= 1, got 0"),
        ({"temperature": 0.0}, "`temperature` must be finite and > 0, got 0.0"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DWA(**options)
