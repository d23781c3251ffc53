"""Every ready problem against its own exact solution."""

import pytest
import torch

from lightning_autobalance import problems
from lightning_autobalance.checks import check_exact
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Uniform, sample

PROBLEMS = {name: getattr(problems, name) for name in problems.__all__}


def subclasses(cls: type) -> set[str]:
    return {c.__name__ for c in cls.__subclasses__() if c.__module__.startswith("lightning_autobalance.problems")}


def test_the_list_is_complete() -> None:
    assert set(PROBLEMS) == subclasses(PINNModule)


@pytest.fixture(params=PROBLEMS.values(), ids=PROBLEMS.keys())
def problem(request: pytest.FixtureRequest) -> PINNModule:
    torch.manual_seed(0)
    return request.param()


def points(problem: PINNModule, count: int = 128) -> dict[str, torch.Tensor]:
    return {p: torch.as_tensor(sample(problem.domain, p, count, Uniform(), 3, 0)) for p in problem.domain.parts}


def test_exact_solution_has_no_residual(problem: PINNModule) -> None:
    sizes = check_exact(problem)
    assert sizes
    assert max(sizes.values()) < 1e-10


def test_perturbed_solution_has_one(problem: PINNModule) -> None:
    def perturbed(x: torch.Tensor) -> torch.Tensor:
        return problem.exact(x) + 0.1 * torch.sin(x.sum(dim=1, keepdim=True) + 1)

    with problem.field_replaced(perturbed):
        residuals = problem.residuals(points(problem))
    assert all(r.abs().max() > 1e-3 for r in residuals.values())


def test_the_exact_solution_has_the_declared_shape(problem: PINNModule) -> None:
    x = torch.as_tensor(problem.domain.grid(100))
    assert problem.exact(x).shape == (len(x), len(problem.fields))
    assert problem(x.float()).shape == problem.exact(x).shape


def test_taylor_mode_is_used_and_agrees_with_reverse_mode(problem: PINNModule) -> None:
    assert problem.derivative_mode == "taylor"
    problem.double()
    taylor = problem.residuals(points(problem))
    problem.derivatives = "reverse"
    reverse = problem.residuals(points(problem))
    for term, residual in taylor.items():
        torch.testing.assert_close(residual, reverse[term], rtol=1e-10, atol=1e-10)
