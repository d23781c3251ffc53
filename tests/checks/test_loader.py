"""Shapes and values of the first batch from a loader of the user's own."""

from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_autobalance.checks.loader import check_batch
from lightning_autobalance.points import Rectangle

SQUARE = Rectangle((0, 1), (0, 1))
X = torch.rand(5, 2)


@pytest.mark.parametrize(
    "batch",
    [
        {"interior": X},
        {"interior": torch.rand(1, 3)},  # with a value in a further column
        {"boundary": X, "u": torch.rand(5), "ids": torch.arange(3), "scale": torch.tensor(2.0)},
    ],
)
def test_right_batches_pass(batch: Any) -> None:
    check_batch(batch, SQUARE)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({}, "must hold points by part of the domain .*, got an empty one"),
        ({"interior": X[:, 0]}, r"`interior` .* shape \(b, 2\), .* \(x, y\), got \(5,\)\. Add the second dimension"),
        ({"interior": X[None]}, r"got \(1, 5, 2\)\. A DataLoader stacks its items"),
        ({"boundary": X[:, :1]}, r"`boundary` .* got \(5, 1\)\. Give every coordinate a column"),
        ({"boundary": X[:0]}, r"`boundary` .* got \(0, 2\)\. Give the part at least one point"),
        ({"interior": X, "u": torch.tensor([1.0, torch.inf])}, "`u` .* must be finite, got 1 NaN or infinite .* 2"),
    ],
)
def test_wrong_batches_are_refused_by_name(batch: Any, message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        check_batch(batch, SQUARE)
