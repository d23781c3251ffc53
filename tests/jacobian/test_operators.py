"""Products with Hessians against numbers worked out by hand and against differences of gradients."""

import pytest
import torch

from helpers.toys import Poisson2D
from lightning_autobalance.jacobian import Operator, dense, hessian, hessian_vector_product, scaled, summed
from lightning_autobalance.nets import MLP

A = torch.tensor([[2.0, 1.0], [1.0, -3.0]], dtype=torch.float64)


def vector(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def test_a_product_by_hand() -> None:
    x = vector(1, 2).requires_grad_()
    y = vector(3).requires_grad_()
    loss = x[0] ** 3 + x[0] * x[1] * y[0]  # Hessian at (1, 2, 3): [[6, 3, 2], [3, 0, 1], [2, 1, 0]]
    assert hessian_vector_product(loss, [x, y], vector(1, 10, 100)).tolist() == [236, 103, 12]


def test_a_parameter_of_any_shape_and_one_that_is_not_reached() -> None:
    x, unused = torch.ones(2, 2, dtype=torch.float64, requires_grad=True), vector(1).requires_grad_()
    product = hessian((x**2).sum() + (x[0, 0] * x[1, 1]), [unused, x])(vector(7, 1, 2, 3, 4))
    assert product.tolist() == [0, 2 + 4, 4, 6, 8 + 1]


def test_a_linear_loss_has_no_curvature() -> None:
    x = vector(1, 2).requires_grad_()
    assert hessian(3 * x.sum(), [x])(vector(1, 1)).tolist() == [0, 0]


def test_condition_numbers_of_the_papers_theorem_1() -> None:
    """Each term preconditioned by its own gradients is conditioned better than their sum by those of the sum."""
    turn = torch.tensor([[3**0.5, -1.0], [1.0, 3**0.5]], dtype=torch.float64) / 2
    first, second, w = torch.eye(2, dtype=torch.float64), turn @ vector(1.0, 1e4).diag() @ turn.T, vector(1.0, 0.5)

    def preconditioned(matrix: torch.Tensor) -> Operator:
        return scaled(matrix.mv, (matrix @ w).abs() ** -0.5)

    per_term = dense(summed([preconditioned(first), preconditioned(second)]), w)
    together = dense(preconditioned(first + second), w)
    assert torch.linalg.cond(per_term).item() == pytest.approx(16.2404, abs=5e-5)
    assert torch.linalg.cond(together).item() == pytest.approx(4048.96, abs=5e-3)


def test_scaled_summed_and_dense() -> None:
    s = vector(2, 0.5)
    assert torch.equal(dense(scaled(A.mv, s), s), s.diag() @ A @ s.diag())
    assert torch.equal(dense(summed([A.mv, torch.eye(2).double().mv], [2.0, 3.0]), s), 2 * A + 3 * torch.eye(2))
    assert torch.equal(dense(summed([A.mv, A.mv]), s), 2 * A)


@pytest.mark.parametrize("mode", ["taylor", "reverse"])
def test_the_hessian_of_a_pinn_is_the_slope_of_its_gradient(mode: str) -> None:
    torch.manual_seed(0)
    module = Poisson2D(net=MLP(2, 1, [5, 5]), derivatives=mode).double()  # type: ignore[arg-type]
    points = {"interior": torch.rand(7, 2, dtype=torch.float64), "boundary": torch.rand(3, 2, dtype=torch.float64)}
    params = list(module.net.parameters())
    direction = torch.randn(sum(p.numel() for p in params), dtype=torch.float64)

    product = hessian_vector_product(module.losses(points)["pde"], params, direction)
    start = torch.nn.utils.parameters_to_vector(params).detach()
    slopes = []
    for sign in (1, -1):
        torch.nn.utils.vector_to_parameters(start + sign * 1e-5 * direction, params)
        slopes.append(torch.cat([g.flatten() for g in _gradients(module, points, params)]))
    assert torch.allclose(product, (slopes[0] - slopes[1]) / 2e-5, rtol=1e-5, atol=1e-5 * float(product.abs().max()))


def _gradients(module: Poisson2D, points: dict[str, torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
    found = torch.autograd.grad(module.losses(points)["pde"], params, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(params, found, strict=True)]


def test_a_detached_loss_is_refused() -> None:
    x = vector(1, 2).requires_grad_()
    with pytest.raises(ValueError, match="`loss` must depend on `params`, got a loss with `requires_grad` False"):
        hessian(x.sum().detach(), [x])
    with pytest.raises(ValueError, match=r"0 parameter\(s\)"):
        hessian(x.sum(), [])
