"""Causal weights, by hand."""

from math import exp

import pytest
import torch
from torch import Tensor

from helpers.variants import UNIT, of, problem
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.variants import Causal, MeanSquares

DOMAIN = TimeCylinder(Interval(0.0, 1.0), (0.0, 2.0))


def points(*t: float) -> dict[str, Tensor]:
    return {"interior": torch.stack([torch.zeros(len(t), dtype=torch.float64), of(*t)], dim=1)}


def prepared(**options: float) -> Causal:
    variant = Causal(**options)  # type: ignore[arg-type]
    variant.prepare(problem(DOMAIN))
    return variant


def test_by_hand() -> None:
    at = points(0.1, 1.2, 0.6, 1.9, 0.2)  # in pieces of 0.5: 0, 2, 1, 3, 0
    residual = of(1.0, 0.5, 2.0, 3.0, 0.0)
    losses = (0.5, 4.0, 0.25, 9.0)
    weights = (1.0, exp(-0.1 * 0.5), exp(-0.1 * 4.5), exp(-0.1 * 4.75))
    variant = prepared(tolerance=0.1, chunks=4)
    found = variant(at, {"pde": residual, "boundary": of(2.0)})
    assert found["pde"].item() == pytest.approx(sum(w * loss for w, loss in zip(weights, losses, strict=True)) / 4)
    assert found["boundary"].item() == 4.0
    assert variant.numbers()["weight_min/pde"].item() == pytest.approx(weights[-1])


def test_without_tolerance_and_equal_pieces_it_is_the_plain_pinn() -> None:
    at, residual = points(0.1, 0.6, 1.2, 1.9), of(1.0, 2.0, 3.0, 4.0)
    found = prepared(tolerance=0.0, chunks=4)(at, {"pde": residual})["pde"]
    assert found.item() == pytest.approx(MeanSquares()(at, {"pde": residual})["pde"].item())


def test_a_piece_without_points_takes_nothing() -> None:
    at, residual = points(0.1, 1.9), of(1.0, 3.0)
    found = prepared(tolerance=0.0, chunks=4)(at, {"pde": residual})["pde"]
    assert found.item() == pytest.approx(5.0)


def test_the_end_of_time_belongs_to_the_last_piece() -> None:
    assert prepared(chunks=4)(points(2.0), {"pde": of(2.0)})["pde"].item() == pytest.approx(4.0)


def test_weights_are_constants() -> None:
    residual = of(1.0, 2.0).requires_grad_()
    prepared(tolerance=1.0, chunks=2)(points(0.1, 1.9), {"pde": residual})["pde"].backward()
    torch.testing.assert_close(residual.grad, of(1.0, 2 * exp(-1.0)))


def test_a_problem_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Causal needs a domain with a coordinate t, got \('x', 'y'\)"):
        Causal().prepare(problem(UNIT))


@pytest.mark.parametrize("bad", [{"tolerance": -1.0}, {"chunks": 0}])
def test_bad_numbers(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
        Causal(**bad)  # type: ignore[arg-type]
