"""The step of a finisher: in its own type, with all digits kept between the steps."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.optim.finish import LevenbergMarquardt
from lightning_autobalance.step import FinishStage, NonFiniteError, ResidualLosses, term_gradients_at
from lightning_autobalance.variants import MeanSquares

POINTS = {"interior": torch.linspace(0, 1, 12)[:, None]}


def setting() -> tuple[nn.Module, ResidualLosses, list[Tensor]]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))

    def residuals(points: Any) -> dict[str, Tensor]:
        x = points["interior"]
        return {"data": net(x)[:, 0] - torch.sin(3 * x[:, 0]), "start": net(x[:1])[:, 0]}

    return net, ResidualLosses(MeanSquares(), residuals), list(net.parameters())


def run(stage: FinishStage, given: Any, steps: range) -> list[float]:
    net, losses, params = given
    return [stage(net, losses, POINTS, params, weights={}, step=step).loss for step in steps]


def test_the_last_steps_are_due_and_all_after_the_first() -> None:
    stage = FinishStage(LevenbergMarquardt(3))
    assert [stage.is_due(step, 10) for step in (0, 6, 7, 9)] == [False, False, True, True]
    run(stage, setting(), range(7, 8))
    assert stage.began_at == 7
    assert stage.is_due(8, 100)  # the run was made longer
    assert FinishStage(LevenbergMarquardt(-1)).is_due(0, 10)


def test_it_lowers_the_loss_and_keeps_the_type() -> None:
    given = setting()
    stage = FinishStage(LevenbergMarquardt(20))
    losses = run(stage, given, range(20))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-3 * losses[0]
    assert {p.dtype for p in given[2]} == {torch.float32}
    assert all(p.grad is None for p in given[2])
    assert stage.state_dict()["weights"].dtype == torch.float64
    assert set(stage.losses) == {"data", "start"}


def test_all_digits_are_kept_between_steps() -> None:
    given = setting()
    stage = FinishStage(LevenbergMarquardt(5))
    run(stage, given, range(5))
    weights = stage.state_dict()["weights"]
    rounded = torch.cat([p.detach().flatten() for p in given[2]])
    assert torch.equal(weights.float(), rounded)
    assert torch.equal(stage._start(given[2]), weights)


def test_parameters_that_somebody_else_has_moved_are_taken_as_they_are() -> None:
    given = setting()
    stage = FinishStage(LevenbergMarquardt(5))
    run(stage, given, range(2))
    with torch.no_grad():
        given[2][0].add_(1.0)
    assert torch.equal(stage._start(given[2]).float(), torch.cat([p.detach().flatten() for p in given[2]]))


def test_a_restored_stage_goes_on_to_the_last_bit() -> None:
    whole, part = setting(), setting()
    expected = run(FinishStage(LevenbergMarquardt(9)), whole, range(9))
    stage, other = FinishStage(LevenbergMarquardt(9)), FinishStage(LevenbergMarquardt(9))
    before = run(stage, part, range(4))
    other.load_state_dict(stage.state_dict())
    assert other.began_at == 0
    assert [*before, *run(other, part, range(4, 9))] == expected
    assert all(torch.equal(p, q) for p, q in zip(whole[2], part[2], strict=True))


def test_a_step_that_is_not_accepted_leaves_the_parameters() -> None:
    net, stage = nn.Linear(1, 1), FinishStage(LevenbergMarquardt(30, tolerance=0.0))
    losses = ResidualLosses(MeanSquares(), lambda points: {"line": net(points["interior"])[:, 0] - 2})
    given = net, losses, list(net.parameters())
    for step in range(30):
        before = [p.clone() for p in given[2]]
        found = stage(net, losses, POINTS, given[2], weights={}, step=step)
        if found.stop:
            break
    assert not found.accepted
    assert all(torch.equal(p, q) for p, q in zip(before, given[2], strict=True))


def test_a_loss_that_is_not_finite_is_named() -> None:
    net, losses, params = setting()
    spoilt = ResidualLosses(
        MeanSquares(), lambda points: {**losses.residuals(points), "bad": net(points["interior"]) / 0}
    )
    before = [p.clone() for p in params]
    with pytest.raises(NonFiniteError, match=r"loss term `bad` must be finite at step 3, where a finisher works"):
        FinishStage(LevenbergMarquardt(3))(net, spoilt, POINTS, params, weights={}, step=3)
    assert all(torch.equal(p, q) for p, q in zip(before, params, strict=True))


def test_gradients_for_the_log() -> None:
    _, losses, params = setting()
    found = term_gradients_at(losses, POINTS, params, {"start": 4.0})
    values = losses.again(POINTS)
    assert found.terms == ("data", "start")
    assert found.counts == [12, 1]
    torch.testing.assert_close(found.losses, torch.stack(list(values.values())).detach())
    expected = torch.autograd.grad(4.0 * values["start"], params)
    for block, gradient in zip(found.blocks, expected, strict=True):
        assert block is not None
        torch.testing.assert_close(block[1], gradient)
