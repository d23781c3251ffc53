"""What every aggregator on Gram matrices does with rows that cannot be used."""

from typing import final

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from lightning_autobalance.balancing import Aggregator, GramianAggregator


@final
class ByNorm(GramianAggregator):
    """Each row by its norm."""

    def weigh(self, gram: Tensor) -> Tensor:
        return 1 / gram.diagonal().sqrt()


def test_values_by_hand() -> None:
    method = ByNorm()
    assert_close(method(torch.tensor([[3.0, 4.0], [0.0, -2.0]])), torch.tensor([0.6, -0.2]))
    assert_close(method.weights, torch.tensor([0.2, 0.5], dtype=torch.float64))


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_rows_that_cannot_be_used_are_left_out(bad: float) -> None:
    method = ByNorm()
    assert_close(method(torch.tensor([[3.0, 4.0], [bad, bad]])), torch.tensor([0.6, 0.8]))
    assert method.weights is not None
    assert method.weights.tolist() == pytest.approx([0.2, 0.0])


def test_no_row_gives_the_zero_gradient() -> None:
    assert torch.equal(ByNorm()(torch.zeros(2, 3)), torch.zeros(3))


def test_norms_whose_squares_overflow_float32() -> None:
    rows = torch.tensor([[1e-25, 0.0], [0.0, 1e25]])
    assert_close(ByNorm()(rows), torch.tensor([1.0, 1.0]))


def test_all_rows_are_needed_and_none_of_log_losses_by_default() -> None:
    assert list(ByNorm().rows_needed(3)) == [0, 1, 2]
    assert not ByNorm().of_log_losses


def test_the_former_name_of_rows_needed_goes_on_working() -> None:
    with pytest.warns(DeprecationWarning, match="`asks` of First is now `rows_needed`"):

        class First(Aggregator):
            def forward(self, jacobian: Tensor) -> Tensor:
                return jacobian[0]

            def asks(self, count: int) -> range:
                return range(1)

    assert First().rows_needed(3) == range(1)
