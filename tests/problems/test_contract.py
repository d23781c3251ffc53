"""Every ready problem against its own exact or reference solution."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.references import heat_long_time
from helpers.splines import spline
from lightning_autobalance import problems
from lightning_autobalance.checks import check_exact
from lightning_autobalance.field import NeuralField
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Uniform, sample

PROBLEMS = {name: getattr(problems, name) for name in problems.__all__}
EXACT = [name for name, kind in PROBLEMS.items() if kind.exact is not NeuralField.exact]
REFERENCED = {  # where the points of the reference are a grid and smooth; the share of a residual that may be left
    "AllenCahn1D": (((-1.0, 1.0), (0.0, 1.0)), 1e-3),
    "GrayScott1D": (((-1.0, 1.0), (0.0, 20.0)), 5e-3),
    "KdV1D": (((-1.0, 1.0), (0.0, 1.0)), 5e-3),
    "KuramotoSivashinsky1D": (((0.0, 6.29), (0.0, 1.0)), 0.2),  # whose fourth derivative no spline has well
    "Burgers1D": (((-1.0, -0.25), (0.1, 1.0)), 1e-4),  # away from the front
    "Poisson2DClassic": (((-0.15, 0.15), (-0.5, 0.5)), 1e-2),
    "HeatLongTime2D": (((0.0, 1.0), (0.0, 1.0), (0.0, 0.1)), 1e-2),
    "LidDrivenCavity": (((0.1, 0.9), (0.1, 0.9)), 3e-2),
    "PoissonBoltzmann2D": (((-1.0, -0.32), (-0.8, 0.18)), 1e-2),
}
SOLVED = {  # by the solver at finer points than those of the package
    "HeatLongTime2D": lambda: heat_long_time.table(64, 0.01, np.linspace(0, 0.1, 11), 64),
}


def subclasses(cls: type) -> set[str]:
    return {c.__name__ for c in cls.__subclasses__() if c.__module__.startswith("lightning_autobalance.problems")}


def test_the_list_is_complete() -> None:
    assert set(PROBLEMS) == subclasses(PINNModule)


def test_every_problem_has_a_solution() -> None:
    assert {*EXACT, *REFERENCED} == set(PROBLEMS)
    assert all(PROBLEMS[name].default_reference for name in REFERENCED)


@pytest.fixture(params=PROBLEMS)
def problem(request: pytest.FixtureRequest) -> PINNModule:
    torch.manual_seed(0)
    return PROBLEMS[request.param]()


@pytest.fixture(params=EXACT)
def exact(request: pytest.FixtureRequest) -> PINNModule:
    torch.manual_seed(0)
    return PROBLEMS[request.param]()


def points(problem: PINNModule, count: int = 128) -> dict[str, Tensor]:
    return {p: torch.as_tensor(sample(problem.domain, p, count, Uniform(), 3, 0)) for p in problem.domain.parts}


def perturbed(u: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: u(x) + 0.1 * torch.sin(x.sum(dim=1, keepdim=True) + 1)


def test_exact_solution_has_no_residual(exact: PINNModule) -> None:
    sizes = check_exact(exact)
    assert sizes
    assert max(sizes.values()) < 1e-10


def test_perturbed_solution_has_one(exact: PINNModule) -> None:
    with exact.field_replaced(perturbed(exact.exact)):
        residuals = exact.residuals(points(exact))
    assert all(r.abs().max() > 1e-3 for r in residuals.values())


def points_within(problem: PINNModule, box: Sequence[tuple[float, float]]) -> dict[str, Tensor]:
    """Those of the parts that lie in the box; all times are moved into it."""
    low, high = torch.tensor(box, dtype=torch.float64).T
    found = points(problem, 512)
    for part, x in found.items():
        if problem.domain.coordinates[-1] == "t" and part != "initial":
            begin, end = problem.domain.bounds[-1]
            x[:, -1] = low[-1] + (x[:, -1] - begin) / (end - begin) * (high[-1] - low[-1])
    return {part: x[((x >= low) & (x <= high)).all(dim=1)] for part, x in found.items()}


@pytest.mark.parametrize("name", REFERENCED)
def test_reference_has_a_small_residual_and_a_perturbed_one_has_not(name: str) -> None:
    problem, (box, share) = PROBLEMS[name]().double(), REFERENCED[name]
    assert problem.reference is not None
    if name in SOLVED:
        table = np.stack(list(SOLVED[name]().values()), axis=1)
        u = spline(*np.split(table, [len(box)], axis=1), box)
    else:
        u = spline(problem.reference.points, problem.reference.values, box)
    within = points_within(problem, box)
    sizes = []
    for field in (u, perturbed(u)):
        with problem.field_replaced(field):
            found = problem.residuals(within)
        sizes.append({term: r.detach().square().mean().sqrt() for term, r in found.items() if len(r)})
    assert "pde" in sizes[0] or "momentum" in sizes[0]
    for term, size in sizes[0].items():
        assert size < share * sizes[1][term], term


def test_the_exact_solution_has_the_declared_shape(exact: PINNModule) -> None:
    x = points(exact)["interior"]
    assert exact.exact(x).shape == (len(x), len(exact.fields))
    assert exact(x.float()).shape == exact.exact(x).shape


def test_taylor_mode_is_used_and_agrees_with_reverse_mode(problem: PINNModule) -> None:
    assert problem.derivative_mode == "taylor"
    problem.double()
    taylor = problem.residuals(points(problem))
    problem.derivatives = "reverse"
    reverse = problem.residuals(points(problem))
    for term, residual in taylor.items():
        torch.testing.assert_close(residual, reverse[term], rtol=1e-10, atol=1e-10)
