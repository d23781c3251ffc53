"""Damped least squares, by rows and by parameters."""

from itertools import accumulate

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from lightning_autobalance.optim.finish.normal_equations import NormalEquations, gram


def problem(rows: int, parameters: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(rows, parameters, dtype=torch.float64), torch.randn(rows, dtype=torch.float64)


@pytest.mark.parametrize(("rows", "parameters"), [(40, 7), (7, 40), (20, 20)])
def test_solutions(rows: int, parameters: int) -> None:
    matrix, right = problem(rows, parameters)
    for damping in (1e-3, 10.0):
        expected = torch.linalg.solve(
            matrix.T @ matrix + damping * torch.eye(parameters, dtype=torch.float64), matrix.T @ right
        )
        equations = NormalEquations(matrix)
        assert equations.factorise(damping)
        torch.testing.assert_close(equations.solve(right), expected, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(equations.times(expected), matrix @ expected)
        assert equations.square_norm == pytest.approx(float(matrix.square().sum()))


def test_a_singular_matrix_needs_damping() -> None:
    matrix, _ = problem(20, 5)
    doubled = torch.cat([matrix, matrix], dim=1)
    solver = NormalEquations(doubled)
    assert not solver.factorise(-1.0)
    assert solver.factorise(1e-6)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700])
def test_the_lower_triangle_of_a_symmetric_product(size: int) -> None:
    matrix, _ = problem(size, 31)
    torch.testing.assert_close(gram(matrix).tril(), (matrix @ matrix.T).tril())


@pytest.mark.parametrize(("rows", "parameters"), [(300, 700), (700, 300)])
def test_matrices_take_what_the_cap_counts(rows: int, parameters: int) -> None:
    matrix, right = problem(rows, parameters)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        equations = NormalEquations(matrix)
        for damping in (1e-3, 1e-2, 1e-1):
            assert equations.factorise(damping)
            equations.solve(right)
    held = [event.nbytes() for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    most = max(accumulate(held))
    assert 0.98 * most <= 8 * 3 * min(rows, parameters) ** 2 <= most
