"""What all finishers share: arguments, states, and the end of a run that has nothing more to gain."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from helpers.least_squares import ROSENBROCK, LeastSquares, linear, rosenbrock
from lightning_autobalance.optim import finish
from lightning_autobalance.optim.finish import LBFGS, Finisher, LevenbergMarquardt, SelfScaledBroyden
from lightning_autobalance.optim.finish.base import mebibytes

MAKES: dict[str, Callable[..., Finisher]] = {
    "LevenbergMarquardt": LevenbergMarquardt,
    "LevenbergMarquardt, no acceleration": lambda **o: LevenbergMarquardt(**{"steps": 9, "geodesic": False, **o}),
    "SelfScaledBroyden": SelfScaledBroyden,
    "SelfScaledBroyden, bfgs": lambda **o: SelfScaledBroyden(**{"steps": 9, "rule": "bfgs", **o}),
    "LBFGS": lambda **o: LBFGS(**{"steps": 9, "iterations": 2, **o}),
}


def test_the_list_is_complete() -> None:
    known = {name for name in finish.__all__ if issubclass(getattr(finish, name), Finisher)} - {"Finisher"}
    assert known == {name.partition(",")[0] for name in MAKES}


def run(finisher: Finisher, objective: Any, weights: torch.Tensor, steps: int) -> list[Any]:
    found = []
    for _ in range(steps):
        found.append(finisher.step(objective, weights))
        weights = found[-1].weights
        if found[-1].stop:
            break
    return found


@pytest.mark.parametrize("name", MAKES)
def test_rosenbrock(name: str) -> None:
    steps = run(MAKES[name](steps=100), LeastSquares(rosenbrock), ROSENBROCK, 100)
    assert steps[-1].loss < 1e-20
    torch.testing.assert_close(steps[-1].weights, torch.ones(2, dtype=torch.float64))
    losses = [step.loss for step in steps]
    assert losses == sorted(losses, reverse=True)
    assert steps[-1].stop


@pytest.mark.parametrize(("rows", "parameters", "rank"), [(30, 10, None), (10, 30, None), (20, 20, 7)])
@pytest.mark.parametrize("name", MAKES)
def test_linear_least_squares_also_without_full_rank(name: str, rows: int, parameters: int, rank: int | None) -> None:
    objective, best = linear(rows, parameters, rank)
    steps = run(MAKES[name](steps=100), objective, torch.zeros(parameters, dtype=torch.float64), 100)
    assert steps[-1].loss == pytest.approx(float(best), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", MAKES)
def test_a_restored_state_goes_on_to_the_last_bit(name: str) -> None:
    objective = LeastSquares(rosenbrock)
    whole = run(MAKES[name](steps=100), objective, ROSENBROCK, 9)
    first, second = MAKES[name](steps=100), MAKES[name](steps=100)
    before = run(first, objective, ROSENBROCK, 4)
    second.load_state_dict(first.state_dict())
    after = run(second, objective, before[-1].weights, 5)
    assert torch.equal(whole[-1].weights, after[-1].weights)
    assert [step.loss for step in whole] == [step.loss for step in (*before, *after)]


@pytest.mark.parametrize("name", MAKES)
def test_the_parameters_given_stay(name: str) -> None:
    start = ROSENBROCK.clone()
    MAKES[name](steps=9).step(LeastSquares(rosenbrock), start)
    assert torch.equal(start, ROSENBROCK)


@pytest.mark.parametrize("name", MAKES)
def test_at_a_minimum_it_says_so_and_stays(name: str) -> None:
    start = torch.ones(2, dtype=torch.float64)
    step = MAKES[name](steps=9).step(LeastSquares(rosenbrock), start)
    assert torch.equal(step.weights, start)
    assert step.stop
    assert not step.accepted


@pytest.mark.parametrize("name", MAKES)
def test_where_every_step_leads_to_nan_the_parameters_stay(name: str) -> None:
    def cliff(w: torch.Tensor) -> torch.Tensor:
        rows = rosenbrock(w)
        return rows if torch.equal(w.detach(), ROSENBROCK) else rows * torch.nan

    step = MAKES[name](steps=9).step(LeastSquares(cliff), ROSENBROCK)
    assert torch.equal(step.weights, ROSENBROCK)
    assert step.stop


@pytest.mark.parametrize("name", MAKES)
@pytest.mark.parametrize("steps", [0, -2])
def test_bad_numbers_of_steps(name: str, steps: int) -> None:
    with pytest.raises(ValueError, match="`steps` must be a whole number >= 1, or -1 for the whole run, got"):
        MAKES[name](steps=steps)


@pytest.mark.parametrize("name", MAKES)
def test_the_type_is_torchs(name: str) -> None:
    assert MAKES[name](steps=3).torch_dtype == torch.float64
    assert MAKES[name](steps=3, dtype="float32").torch_dtype == torch.float32


def test_bytes_as_text() -> None:
    assert mebibytes(310 * 2**20) == "310 MiB"
    assert mebibytes(4.25 * 2**30) == "4.2 GiB"
