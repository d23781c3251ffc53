"""GradNorm, against numbers worked out by hand and torch's autograd."""

from typing import Any

import jaxtyping
import pytest
import torch
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import GradNorm

ROWS = [[0.0, 4.0], [0.6, 0.8]]  # norms 4 and 1


def after_one_step(method: GradNorm) -> list[float]:
    method.first = torch.ones(2, dtype=torch.float64)
    assert method(view_of(ROWS, [0.5, 0.9])).tolist() == [1.0, 1.0]
    return method(view_of(ROWS, [0.5, 0.9], step=1)).tolist()


def test_values_by_hand() -> None:
    assert_close(after_one_step(GradNorm()), [0.9350649351, 1.0649350649], rtol=0.0, atol=6e-11)


def test_adam_moves_by_its_learning_rate() -> None:
    assert_close(after_one_step(GradNorm(optimizer="adam")), [0.975, 1.025], rtol=0.0, atol=1e-8)


def test_the_slope_is_the_gradient_of_the_papers_loss() -> None:
    torch.manual_seed(0)
    method, rows, losses, first = GradNorm(), torch.randn(4, 6).double(), torch.rand(4).double(), torch.rand(4).double()
    method.first = first
    weights = (torch.rand(4).double() + 0.5).requires_grad_()
    lengths = weights * rows.norm(dim=1)
    progress = losses / first
    target = lengths.mean().detach() * (progress / progress.mean()) ** 1.5
    (expected,) = torch.autograd.grad((lengths - target).abs().sum(), weights)
    assert_close(method.slope(weights.detach(), view_of(rows, losses)), expected)


def test_weights_add_up_to_the_number_of_terms_and_stay_positive() -> None:
    torch.manual_seed(0)
    method = GradNorm()
    for step in range(20):
        weights = method(view_of(1e4 * torch.randn(3, 4), torch.rand(3), step=step))
        assert_close(weights.sum().item(), 3.0)
        assert (weights > 0).all()


def test_alpha_0_makes_gradients_equally_long() -> None:
    method = GradNorm(alpha=0.0, lr=3e-3)
    for step in range(300):
        weights = method(view_of(ROWS, [0.5, 0.9], step=step))
    assert_close(weights.tolist(), [0.4, 1.6], rtol=0.02, atol=0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1.0}, "`alpha` must be finite and >= 0, got -1.0"),
        ({"lr": 0.0}, "`lr` must be finite and > 0, got 0.0"),
        ({"optimizer": "lbfgs"}, "`optimizer` must be 'sgd' or 'adam', got 'lbfgs'"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would refuse the name before us
    with pytest.raises(ValueError, match=message):
        GradNorm(**options)
