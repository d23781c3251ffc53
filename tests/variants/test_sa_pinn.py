"""Self-adaptive PINN: weights climb."""

import pytest
import torch

from helpers.variants import context, line, of, problem
from lightning_autobalance.variants import SAPINN

POINTS = line(0.1, 0.2, 0.3)
RESIDUALS = {"pde": of(1.0, 2.0, 0.0), "boundary": of(1.0)}


def prepared(**options: float) -> SAPINN:
    variant = SAPINN(seed=0, **options)  # type: ignore[arg-type]
    variant.prepare(problem())
    return variant


def test_the_loss_is_taken_with_the_weights_before() -> None:
    variant = prepared()
    variant.begin(context(0), POINTS)
    start = variant.weights.clone()
    loss = variant.reduce(variant.learn(POINTS, RESIDUALS))["pde"]
    assert loss.item() == pytest.approx((start[0] * RESIDUALS["pde"]).square().mean().item())
    assert ((start >= 0) & (start < 1)).all()


def test_it_is_torchs_adam_up_the_gradient_of_the_loss() -> None:
    variant, optimizer = prepared(lr=0.02), None
    for step in range(5):
        variant.begin(context(step), POINTS)
        if optimizer is None:
            weights = variant.weights.clone().requires_grad_()
            optimizer = torch.optim.Adam([weights], lr=0.02, maximize=True)
        optimizer.zero_grad()
        ((weights[0] * RESIDUALS["pde"]) ** 2).mean().backward()
        optimizer.step()
        variant.learn(POINTS, RESIDUALS)
        torch.testing.assert_close(variant.weights, weights.detach())


def test_points_without_residual_keep_their_weight() -> None:
    variant = prepared()
    variant.begin(context(0), POINTS)
    start = variant.weights.clone()
    variant.learn(POINTS, RESIDUALS)
    moved = variant.weights - start
    assert (moved[0, :2] > 0).all()
    assert moved[0, 2] == 0


def test_bad_lr() -> None:
    with pytest.raises(ValueError, match="`lr` must be finite and > 0, got 0"):
        SAPINN(lr=0)
