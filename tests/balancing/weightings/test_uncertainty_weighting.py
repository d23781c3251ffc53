"""Learned variances, against numbers worked out by hand and torch's Adam."""

from math import exp
from typing import Any

import jaxtyping
import pytest
import torch
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import UncertaintyWeighting

LOSSES = [4.0, 0.01]
ROWS = [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("form", "start", "slope", "weight"),
    [("log_variance", 0.0, [-1.5, 0.495], 0.5), ("sigma", 2.0, [0.0, 0.49875], 0.125)],
)
def test_values_by_hand(form: Any, start: float, slope: list[float], weight: float) -> None:
    method, view = UncertaintyWeighting(form), view_of(ROWS, LOSSES)
    assert_close(method.slope(torch.full((2,), start).double(), view).tolist(), slope)
    assert method(view).tolist() == [weight, weight]


@pytest.mark.parametrize("form", ["log_variance", "sigma"])
def test_equal_to_torchs_adam_on_the_whole_loss(form: Any) -> None:
    method = UncertaintyWeighting(form, lr=0.05)
    s = torch.full((2,), 0.0 if form == "log_variance" else 2.0, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.05)
    for step in range(30):
        losses = torch.tensor(LOSSES).double() / (1 + step)
        half_precision = 0.5 * torch.exp(-s) if form == "log_variance" else 0.5 / s**2
        total = (half_precision * losses + (0.5 * s if form == "log_variance" else s.log())).sum()
        assert_close(method(view_of(ROWS, losses, step)), half_precision.detach(), rtol=1e-12, atol=0.0)
        adam.zero_grad()
        total.backward()
        adam.step()


@pytest.mark.parametrize("form", ["log_variance", "sigma"])
def test_at_rest_weights_are_half_the_inverse_losses(form: Any) -> None:
    method = UncertaintyWeighting(form, lr=0.05)
    for step in range(500):
        weights = method(view_of(ROWS, [0.25, 0.01], step))
    assert_close(weights.tolist(), [2.0, 50.0], rtol=0.05, atol=0.0)


@pytest.mark.parametrize(("form", "most"), [("log_variance", 0.5 * exp(80)), ("sigma", 0.5)])
def test_losses_of_zero_stop_at_the_limit(form: Any, most: float) -> None:
    method = UncertaintyWeighting(form, lr=1.0)
    for step in range(200):
        weights = method(view_of(ROWS, [0.0, 1.0], step))
    assert weights[0].item() == pytest.approx(most)


def test_wrong_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would refuse the name before us
    with pytest.raises(ValueError, match="`form` must be 'log_variance' or 'sigma', got 'variance'"):
        UncertaintyWeighting("variance")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`lr` must be finite and > 0, got -1.0"):
        UncertaintyWeighting(lr=-1.0)
