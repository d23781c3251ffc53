"""Damped least squares: by rows, by parameters and by products agree with the normal equations."""

import pytest
import torch

from lightning_autobalance.jacobian import DenseBlock, RowJacobian
from lightning_autobalance.optim.finish.normal_equations import ConjugateGradients, DenseSolver, Solver, gram


def problem(rows: int, parameters: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(rows, parameters, dtype=torch.float64), torch.randn(rows, dtype=torch.float64)


def solvers(matrix: torch.Tensor) -> list[Solver]:
    block = DenseBlock(slice(0, matrix.shape[0]), slice(0, matrix.shape[1]), matrix)
    jacobian = RowJacobian([block], (matrix.shape[0], matrix.shape[1]), matrix)
    return [DenseSolver(matrix), ConjugateGradients(jacobian, 200, 1e-13)]


@pytest.mark.parametrize(("rows", "parameters"), [(40, 7), (7, 40), (20, 20)])
def test_solutions(rows: int, parameters: int) -> None:
    matrix, right = problem(rows, parameters)
    for damping in (1e-3, 10.0):
        expected = torch.linalg.solve(
            matrix.T @ matrix + damping * torch.eye(parameters, dtype=torch.float64), matrix.T @ right
        )
        for solver in solvers(matrix):
            assert solver.factorise(damping)
            torch.testing.assert_close(solver.solve(right), expected, rtol=1e-7, atol=1e-9)
            torch.testing.assert_close(solver.times(expected), matrix @ expected)
            torch.testing.assert_close(solver.transposed_times(right), matrix.T @ right)
            assert solver.square_norm == pytest.approx(float(matrix.square().sum()))


def test_a_singular_matrix_needs_damping() -> None:
    matrix, _ = problem(20, 5)
    doubled = torch.cat([matrix, matrix], dim=1)
    solver = DenseSolver(doubled)
    assert not solver.factorise(-1.0)
    assert solver.factorise(1e-6)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700])
def test_the_lower_triangle_of_a_symmetric_product(size: int) -> None:
    matrix, _ = problem(size, 31)
    torch.testing.assert_close(gram(matrix).tril(), (matrix @ matrix.T).tril())
