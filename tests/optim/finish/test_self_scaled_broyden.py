"""Self-scaled Broyden: the update against the formula written out, and its limits."""

import pytest
import torch
from scipy.optimize import minimize

from helpers.least_squares import ROSENBROCK, LeastSquares, decay, rosenbrock
from lightning_autobalance.optim.finish.self_scaled_broyden import SelfScaledBroyden, _broyden, _Pair


def pair() -> tuple[torch.Tensor, _Pair]:
    torch.manual_seed(0)
    root = torch.randn(5, 5, dtype=torch.float64)
    inverse, gradient = root @ root.T + torch.eye(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    step = -0.5 * inverse @ gradient
    change = torch.linalg.solve(inverse, step) + 0.1 * step
    return inverse, _Pair(step, change, 0.5, float(step @ gradient))


@pytest.mark.parametrize("rule", ["broyden", "bfgs"])
def test_the_update_is_the_formula_and_keeps_the_secant(rule: str) -> None:
    inverse, given = pair()
    s, y = given.step, given.change
    found = SelfScaledBroyden(9, rule=rule)._updated(inverse, given, 5)  # type: ignore[arg-type]
    assert found is not None
    h, b = float(y @ inverse @ y / (s @ y)), -given.length * given.slope / float(s @ y)
    assert b == pytest.approx(float(s @ torch.linalg.solve(inverse, s) / (s @ y)))
    phi, tau = _broyden(h, b, 5) if rule == "broyden" else (1.0, min(1.0, 1 / b))
    hy, yhy = inverse @ y, y @ inverse @ y
    v = yhy.sqrt() * (s / (s @ y) - hy / yhy)
    expected = (inverse - torch.outer(hy, hy) / yhy + phi * torch.outer(v, v)) / tau + torch.outer(s, s) / (s @ y)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found @ y, s)
    assert torch.linalg.eigvalsh(found).min() > 0


def test_broydens_numbers() -> None:
    # h = 2, b = 1: a = 1, low = min(1, 2 (1 - sqrt(1/2))) = 0.5857864, theta = max(-0.414.., min(1.707.., 0)) = 0,
    # sigma = 1: phi = 1, tau = min(1, 1)
    assert _broyden(2.0, 1.0, 5) == (1.0, 1.0)
    # h = 4, b = 0.5: a = 1, low = min(1, 4 * 0.29289) = 1, theta = max(0, min(1, 1)) = 1, sigma = 2, root = 2^(-1/4)
    phi, tau = _broyden(4.0, 0.5, 5)
    assert (phi, tau) == pytest.approx((0.0, 2**-0.25))
    # no curvature to correct: plain BFGS
    assert _broyden(1.0, 1.0, 5) == (1.0, 1.0)


def test_the_minimum_is_scipys() -> None:
    objective, start = decay()
    found = minimize(lambda w: float(objective.loss(torch.as_tensor(w))), start.numpy(), method="BFGS", tol=1e-10)
    finisher = SelfScaledBroyden(200)
    for _ in range(200):
        step = finisher.step(objective, start)
        start = step.weights
        if step.stop:
            break
    assert step.loss <= found.fun * (1 + 1e-6)


def test_a_spoilt_inverse_is_thrown_away() -> None:
    finisher = SelfScaledBroyden(9)
    finisher.state["inverse"] = -torch.eye(2, dtype=torch.float64)  # leads uphill
    assert finisher.step(LeastSquares(rosenbrock), ROSENBROCK).accepted


def test_too_many_parameters_for_the_memory() -> None:
    with pytest.raises(ValueError, match=r"`memory` of SelfScaledBroyden must hold .* 40,000 parameters, 23.8 GiB"):
        SelfScaledBroyden(9).check_size(0, 40_000)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`memory` must be"):
        SelfScaledBroyden(9, memory=0.0)
