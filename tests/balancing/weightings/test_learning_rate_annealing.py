"""Annealing by gradients, against numbers worked out by hand."""

import pytest
import torch
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import LearningRateAnnealing

ROWS = [[0.1, -4.0, 2.0], [0.2, 0.1, -0.3]]


@pytest.mark.parametrize(("decay", "expected"), [(0.0, 20.0), (0.9, 2.9), (0.1, 18.1)])
def test_values_by_hand(decay: float, expected: float) -> None:
    assert_close(LearningRateAnnealing(decay=decay)(view_of(ROWS)).tolist(), [1.0, expected])


def test_another_reference_by_name() -> None:
    weights = LearningRateAnnealing("b")(view_of(ROWS[::-1]))
    assert_close(weights.tolist(), [2.9, 1.0])


def test_the_losses_fixed_weight_is_part_of_its_gradient_but_ours_is_not() -> None:
    method = LearningRateAnnealing()
    for step in range(0, 3000, 10):
        weights = method(view_of(ROWS, step=step))
    assert_close(weights.tolist(), [1.0, 20.0])


def test_updates_every_10_steps() -> None:
    method = LearningRateAnnealing()
    seen = [method(view_of(ROWS, step=step))[1].item() for step in range(12)]
    assert len(set(seen[:10])) == 1
    assert_close(seen[10:], [0.9 * 2.9 + 2.0] * 2)


def test_an_unknown_reference() -> None:
    with pytest.raises(ValueError, match=r"`reference` must be one of the loss terms \['a', 'b'\], got 'pde'"):
        LearningRateAnnealing("pde")(view_of(ROWS))


@pytest.mark.parametrize(("row", "expected"), [([0.0, 0.0, 0.0], 1.0), ([1.0, float("nan"), 0.0], 1.0)])
def test_a_weight_that_would_not_be_finite_stays(row: list[float], expected: float) -> None:
    weights = LearningRateAnnealing()(view_of([ROWS[0], row, ROWS[1]]))
    assert_close(weights.tolist(), [1.0, expected, 2.9])


def test_a_reference_without_gradient_lets_the_others_decay() -> None:
    assert_close(LearningRateAnnealing()(view_of([[0.0, 0.0], [1.0, 1.0]])).tolist(), [1.0, 0.9])


def test_means_do_not_overflow_in_float32() -> None:
    rows = torch.tensor([[3e38, 1.0], [3e38, 3e38]])
    view = view_of(rows)
    assert_close(LearningRateAnnealing(decay=0.0)(view).tolist(), [1.0, 1.0])
