"""Equally long gradients, against numbers worked out by hand."""

import pytest
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import JaxpiGradNorm

ROWS = [[0.1, -4.0, 2.0], [0.2, 0.1, -0.3]]


@pytest.mark.parametrize(
    ("decay", "expected"), [(0.0, [0.541822547, 6.4776368957]), (0.9, [0.9541822547, 1.5477636896])]
)
def test_values_by_hand(decay: float, expected: list[float]) -> None:
    assert_close(JaxpiGradNorm(decay=decay)(view_of(ROWS)).tolist(), expected, rtol=0.0, atol=6e-10)


def test_updates_every_1000_steps() -> None:
    method = JaxpiGradNorm()
    first = method(view_of(ROWS))
    assert method(view_of([[1.0], [1.0]], step=999)).equal(first)
    assert not method(view_of([[1.0], [1.0]], step=1000)).equal(first)


def test_a_zero_gradient_keeps_its_weight() -> None:
    weights = JaxpiGradNorm(decay=0.0)(view_of([[0.0, 0.0], [3.0, 4.0]]))
    assert_close(weights.tolist(), [1.0, 0.5])


def test_nothing_moves_where_a_gradient_is_not_finite() -> None:
    assert JaxpiGradNorm()(view_of([[float("inf"), 0.0], [3.0, 4.0]])).tolist()[0] == 1.0
    assert JaxpiGradNorm()(view_of([[float("nan"), 0.0], [3.0, 4.0]])).tolist() == [1.0, 1.0]
