"""One measure and one tolerance for fast against slow."""

from math import inf, isnan

import pytest
import torch

from lightning_autobalance.utils.agreement import agree, relative_difference, tolerance

SLOW = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)


def test_equal() -> None:
    assert relative_difference(SLOW, SLOW) == 0.0
    assert agree(SLOW, SLOW)


def test_the_largest_relative_error_of_a_row() -> None:
    assert relative_difference(SLOW + torch.tensor([[0.5, 0.0], [0.0, 0.0]]), SLOW) == pytest.approx(0.1)
    assert relative_difference(SLOW + 1e-9, SLOW) == inf  # any number differs from zero


def test_with_a_scale_of_ones_own() -> None:
    assert relative_difference(SLOW + torch.tensor([[0.5, 0.0], [0.0, 0.0]]), SLOW, torch.tensor([50.0, 1.0])) == 0.01


def test_other_shapes_and_what_is_not_finite_never_agree() -> None:
    assert relative_difference(SLOW[:1], SLOW) == inf
    assert isnan(relative_difference(SLOW * float("nan"), SLOW))
    assert not agree(SLOW[:1], SLOW)
    assert not agree(SLOW * float("nan"), SLOW * float("nan"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_tolerance_lets_rounding_through_and_nothing_else(dtype: torch.dtype) -> None:
    row = torch.ones(1, 3, dtype=dtype)
    limit = tolerance(dtype)
    assert agree(row * (1 + 0.9 * limit), row)
    assert not agree(row * (1 + 1.1 * limit), row)
    assert 1e3 * torch.finfo(dtype).eps < limit < 2e-3
