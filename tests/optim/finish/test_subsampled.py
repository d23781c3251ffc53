"""Steps on random parts of the rows."""

import torch

from helpers.least_squares import decay, linear
from lightning_autobalance.optim.finish import LevenbergMarquardt


def test_the_loss_of_all_rows_falls_to_the_minimum() -> None:
    objective, start = decay(60)
    whole, part = LevenbergMarquardt(60), LevenbergMarquardt(60, rows=20)
    w = v = start
    losses = []
    for _ in range(60):
        w = whole.step(objective, w).weights
        step = part.step(objective, v)
        v, losses = step.weights, [*losses, step.loss]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 2 * float(objective.loss(w)) < 0.01 * float(objective.loss(start))


def test_a_restored_state_draws_the_next_rows() -> None:
    objective, start = decay(60)
    whole, first, second = (LevenbergMarquardt(9, rows=20) for _ in range(3))
    w = v = start
    for _ in range(8):
        w = whole.step(objective, w).weights
    for _ in range(4):
        v = first.step(objective, v).weights
    second.load_state_dict(first.state_dict())
    for _ in range(4):
        v = second.step(objective, v).weights
    assert torch.equal(w, v)


def test_other_rows_in_every_step() -> None:
    objective, start = decay(60)
    finisher = LevenbergMarquardt(9, rows=20)
    finisher.step(objective, start)
    assert finisher.state["count"] == 1
    finisher.step(objective, start)
    assert finisher.state["count"] == 2


def test_at_the_minimum_of_all_rows_it_ends() -> None:
    objective, _ = linear(30, 5)
    matrix = torch.autograd.functional.jacobian(objective.function, torch.zeros(5, dtype=torch.float64))
    best = torch.linalg.lstsq(matrix, -objective.function(torch.zeros(5, dtype=torch.float64))).solution
    finisher = LevenbergMarquardt(20, rows=8)
    for _ in range(20):
        step = finisher.step(objective, best)
        best = step.weights
        if step.stop:
            break
    assert "no step on 8 rows lowers the loss any more, 5 draws of them in a row" in step.stop


def test_all_rows_picked_are_the_whole() -> None:
    objective, start = decay(12)
    _, jacobian = objective.jacobian(start)
    order = torch.tensor([3, 7, 8])
    torch.testing.assert_close(jacobian.picked(order).dense(), jacobian.dense()[order])
