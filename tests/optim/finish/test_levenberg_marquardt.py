"""Levenberg-Marquardt against a slow reference and scipy, and its damping."""

from typing import Any

import pytest
import torch
from scipy.optimize import least_squares

from helpers.least_squares import ROSENBROCK, LeastSquares, decay, linear, rosenbrock
from lightning_autobalance.optim.finish import LevenbergMarquardt


def reference(objective: LeastSquares, w: torch.Tensor, damping: float, *, geodesic: bool) -> torch.Tensor:
    """One step with the damping given, by the normal equations and a second derivative by autograd."""
    rows = objective.function(w)
    jacobian = torch.autograd.functional.jacobian(objective.function, w)
    normal = jacobian.T @ jacobian + damping * torch.eye(len(w), dtype=w.dtype)
    velocity = -torch.linalg.solve(normal, jacobian.T @ rows)
    if not geodesic:
        return w + velocity
    ahead = objective.function(w + 0.1 * velocity)
    curvature = 2 / 0.1 * ((ahead - rows) / 0.1 - jacobian @ velocity)
    return w + velocity - torch.linalg.solve(normal, jacobian.T @ curvature) / 2


@pytest.mark.parametrize("geodesic", [True, False])
def test_a_step_is_that_of_the_normal_equations(geodesic: bool) -> None:
    objective, start = decay()
    finisher = LevenbergMarquardt(9, geodesic=geodesic)
    for _ in range(3):
        step = finisher.step(objective, start)
        expected = reference(objective, start, step.numbers["damping"], geodesic=geodesic)
        torch.testing.assert_close(step.weights, expected, rtol=1e-5, atol=1e-7)
        start = step.weights


def test_the_second_derivative_is_that_of_autograd() -> None:
    objective, start = decay()
    velocity = torch.tensor([0.01, -0.02, 0.03, 0.01], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(objective.function, start)
    ahead = objective.function(start + 0.1 * velocity)
    curvature = 2 / 0.1 * ((ahead - objective.function(start)) / 0.1 - jacobian @ velocity)
    _, exact = torch.autograd.functional.jvp(
        lambda w: torch.autograd.functional.jvp(objective.function, w, velocity, create_graph=True)[1], start, velocity
    )
    torch.testing.assert_close(curvature, exact, rtol=2e-2, atol=1e-6)


def test_the_minimum_is_scipys() -> None:
    objective, start = decay()
    found = least_squares(lambda w: objective.function(torch.as_tensor(w)).numpy(), start.numpy(), method="lm")
    finisher = LevenbergMarquardt(60)
    for _ in range(60):
        step = finisher.step(objective, start)
        start = step.weights
        if step.stop:
            break
    assert step.loss == pytest.approx(2 * found.cost, rel=1e-9)


def test_a_linear_problem_takes_two_steps() -> None:
    objective, best = linear(30, 10)
    finisher = LevenbergMarquardt(2, damping=1e-9)
    step = finisher.step(objective, torch.zeros(10, dtype=torch.float64))
    assert finisher.step(objective, step.weights).loss == pytest.approx(float(best), rel=1e-12)


def test_the_gain_ratio_sets_the_damping() -> None:
    objective, _ = linear(30, 10)  # its prediction is exact: the ratio is 1, and the damping falls to a fifth
    finisher = LevenbergMarquardt(9, geodesic=False)
    step = finisher.step(objective, torch.zeros(10, dtype=torch.float64))
    assert step.numbers["gain_ratio"] == pytest.approx(1.0)
    assert finisher.state["damping"] == pytest.approx(step.numbers["damping"] / 5)


def test_a_loss_of_another_scale_takes_the_same_way() -> None:
    one, other = LevenbergMarquardt(9), LevenbergMarquardt(9)
    w = v = ROSENBROCK
    for _ in range(5):
        w = one.step(LeastSquares(rosenbrock), w).weights
        v = other.step(LeastSquares(lambda x: 1e3 * rosenbrock(x)), v).weights
    torch.testing.assert_close(w, v)


def test_steps_that_gain_nothing_end_the_run() -> None:
    objective, start = decay()
    finisher = LevenbergMarquardt(60, tolerance=1e-3)
    count = 0
    while not (step := finisher.step(objective, start)).stop:
        start, count = step.weights, count + 1
    assert "the last 3 steps lowered the loss by less than 0.001 of it each" in step.stop
    assert 2 <= count < 59


def test_rows_that_do_not_fit_are_left_to_other_steps() -> None:
    finisher = LevenbergMarquardt(9)
    assert finisher._rows_that_fit(2400, 5301) == 2400
    assert finisher._rows_that_fit(10_000, 30_401) == 1500
    assert LevenbergMarquardt(9, rows=300)._rows_that_fit(2400, 5301) == 300
    finisher.check_size(10_000, 30_401)


def test_a_network_that_is_too_large_for_the_memory() -> None:
    with pytest.raises(ValueError, match=r"`memory` of LevenbergMarquardt must hold 1,500 rows of 900,000 parameters"):
        LevenbergMarquardt(9).check_size(10_000, 900_000)


@pytest.mark.parametrize(
    "bad", [{"damping": 0.0}, {"memory": -1.0}, {"rows": 0}, {"tolerance": -1e-3}, {"damping": float("nan")}]
)
def test_bad_numbers(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
        LevenbergMarquardt(9, **bad)
