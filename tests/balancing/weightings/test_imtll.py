"""Learned scales, against numbers worked out by hand and torch's Adam."""

import pytest
import torch
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import IMTLL, UncertaintyWeighting

LOSSES = [4.0, 0.01]
ROWS = [[1.0], [1.0]]


def test_values_by_hand() -> None:
    method, view = IMTLL(), view_of(ROWS, LOSSES)
    assert_close(method.slope(torch.zeros(2).double(), view).tolist(), [3.0, -0.99])
    rest = torch.tensor([-1.3862943611, 4.6051701860], dtype=torch.float64)
    assert_close(method.slope(rest, view).tolist(), [0.0, 0.0], rtol=0.0, atol=1e-9)
    assert method(view).tolist() == [1.0, 1.0]


def test_equal_to_torchs_adam_on_the_whole_loss() -> None:
    method, s = IMTLL(lr=0.05), torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.05)
    for step in range(30):
        losses = torch.tensor(LOSSES).double() / (1 + step)
        assert_close(method(view_of(ROWS, losses, step)), s.detach().exp(), rtol=1e-12, atol=0.0)
        adam.zero_grad()
        (s.exp() * losses - s).sum().backward()
        adam.step()


def test_at_rest_weights_are_the_inverse_losses() -> None:
    method = IMTLL(lr=0.05)
    for step in range(500):
        weights = method(view_of(ROWS, [0.25, 0.1], step))
    assert_close(weights.tolist(), [4.0, 10.0], rtol=0.02, atol=0.0)


def test_twice_the_uncertainty_weighting() -> None:
    ours, other = IMTLL(), UncertaintyWeighting()
    for step in range(20):
        view = view_of(ROWS, LOSSES, step)
        assert_close(ours(view), 2 * other(view))


def test_a_loss_of_zero_stops_at_the_limit() -> None:
    method = IMTLL(lr=1.0)
    for step in range(200):
        weights = method(view_of(ROWS, [0.0, 1.0], step))
    assert_close(weights[0].log().item(), 80.0)


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match=r"`lr` must be finite and > 0, got 0.0"):
        IMTLL(0.0)
