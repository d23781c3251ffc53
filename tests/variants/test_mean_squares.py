"""The plain PINN's losses."""

import pytest
import torch

from lightning_autobalance.variants import MeanSquares


def test_values_and_order() -> None:
    residuals = {"b": torch.tensor([1.0, -3.0]), "a": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}
    losses = MeanSquares()({}, residuals)
    assert list(losses) == ["b", "a"]
    assert losses["b"].item() == pytest.approx(5.0)
    assert losses["a"].item() == pytest.approx(7.5)


def test_it_has_no_state() -> None:
    assert not MeanSquares().state_dict()
