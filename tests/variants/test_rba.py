"""Residual-based attention: the card's vectors."""

import pytest
import torch

from helpers.variants import context, line, of, problem
from lightning_autobalance.variants import RBA, MeanSquares

POINTS = line(0.1, 0.2, 0.3)
STEPS = (of(1.0, -2.0, 0.5), of(0.4, 0.1, -0.8))
AFTER = (of(0.005, 0.01, 0.0025), of(0.0095, 0.01025, 0.01225))


def trained(variant: RBA) -> tuple[RBA, dict[str, torch.Tensor]]:
    variant.prepare(problem())
    for step, residual in enumerate(STEPS):
        variant.begin(context(step), POINTS)
        losses = variant.reduce(variant.learn(POINTS, {"pde": residual, "boundary": of(2.0)}))
    return variant, losses


def test_the_vectors_of_the_weights() -> None:
    variant = RBA(eta=0.01, gamma=0.9)
    variant.prepare(problem())
    for step, (residual, expected) in enumerate(zip(STEPS, AFTER, strict=True)):
        variant.begin(context(step), POINTS)
        variant.learn(POINTS, {"pde": residual, "boundary": of(2.0)})
        torch.testing.assert_close(variant.weights, expected[None])


@pytest.mark.parametrize(("inside", "expected"), [(True, 3.7176875e-5), (False, 3.1541666667e-3)])
def test_the_vectors_of_the_losses(inside: bool, expected: float) -> None:
    _, losses = trained(RBA(eta=0.01, gamma=0.9, inside=inside))
    assert losses["pde"].item() == pytest.approx(expected, rel=1e-9)
    assert losses["boundary"].item() == 4.0


def test_the_defaults_in_the_first_step() -> None:
    variant = RBA()
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    variant.learn(POINTS, {"pde": STEPS[0], "boundary": of(2.0)})
    torch.testing.assert_close(variant.weights, of(5e-4, 1e-3, 2.5e-4)[None])


def test_without_learning_it_is_the_plain_pinn() -> None:
    _, losses = trained(RBA(eta=0.0, gamma=1.0, start=1.0))
    assert losses["pde"].item() == MeanSquares()(POINTS, {"pde": STEPS[1]})["pde"].item()


def test_weights_stay_below_their_bound() -> None:
    variant = RBA(eta=0.01, gamma=0.9)
    variant.prepare(problem())
    for step in range(200):
        variant.begin(context(step), POINTS)
        variant.learn(POINTS, {"pde": STEPS[0], "boundary": of(2.0)})
    assert variant.weights.max().item() == pytest.approx(0.1)
    assert variant.weights.max() <= 0.1 + 1e-12


def test_a_jump_start_and_a_floor() -> None:
    jump, _ = trained(RBA(eta=0.01, gamma=0.9, jump_start=True))
    torch.testing.assert_close(jump.weights, (0.9 * of(0.5, 1.0, 0.25) + 0.01 * of(0.5, 0.125, 1.0))[None])
    floor, _ = trained(RBA(eta=0.01, gamma=0.9, floor=0.3))
    torch.testing.assert_close(floor.weights, (AFTER[1] + 0.3)[None])


def test_a_residual_of_two_values_counts_with_its_norm() -> None:
    variant = RBA(eta=0.01, gamma=0.9)
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    row = torch.tensor([[3.0, 4.0], [0.0, 10.0], [1.0, 0.0]], dtype=torch.float64)
    rows = variant.learn(POINTS, {"pde": row, "boundary": of(2.0)})
    torch.testing.assert_close(variant.weights, of(0.005, 0.01, 0.001)[None])
    torch.testing.assert_close(rows["pde"], row * of(0.005, 0.01, 0.001)[:, None])


def test_zero_residuals_give_no_nan() -> None:
    variant = RBA()
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    variant.learn(POINTS, {"pde": torch.zeros(3), "boundary": of(2.0)})
    assert torch.equal(variant.weights, torch.zeros(1, 3))


@pytest.mark.parametrize("bad", [{"eta": -1.0}, {"gamma": 1.5}, {"start": float("nan")}, {"floor": -0.1}])
def test_bad_numbers(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
        RBA(**bad)  # type: ignore[arg-type]
