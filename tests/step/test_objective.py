"""The objective of a finisher: losses, gradients and rows at parameters of its choice."""

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.jacobian import RowJacobians
from lightning_autobalance.step.losses import OwnLosses, ResidualLosses
from lightning_autobalance.step.objective import PointObjective, in_dtype, written_back
from lightning_autobalance.variants import GPINN, MeanSquares

POINTS = {"interior": torch.rand(6, 2, dtype=torch.float64), "boundary": torch.rand(4, 2, dtype=torch.float64)}
WEIGHTS = {"pde": 3.0}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2)).double()


def residuals_of(net: nn.Module) -> ResidualLosses:
    return ResidualLosses(
        MeanSquares(), lambda points: {"pde": net(points["interior"]), "boundary": net(points["boundary"])[:, 0] - 1}
    )


def flat_of(params: list[Tensor]) -> Tensor:
    flat, offset = torch.cat([p.detach().flatten() for p in params]), 0
    for p in params:
        p.data = flat[offset : offset + p.numel()].view_as(p)
        offset += p.numel()
    return flat


def objective(net: nn.Module, *, own: bool = False) -> PointObjective:
    params: list[Tensor] = list(net.parameters())
    stage = residuals_of(net)
    losses = OwnLosses(lambda points: stage.again(points), "Mine") if own else stage
    return PointObjective(losses, POINTS, params, flat_of(params), WEIGHTS, RowJacobians(net))


def expected(net: nn.Module) -> tuple[Tensor, Tensor]:
    pde, boundary = net(POINTS["interior"]), net(POINTS["boundary"])[:, 0] - 1
    loss = 3 * pde.square().mean() + boundary.square().mean()
    return loss.detach(), torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])


@pytest.mark.parametrize("own", [False, True])
def test_loss_and_gradient(own: bool) -> None:
    net = network()
    found = objective(net, own=own)
    start = found.flat.clone()
    moved = start + 0.1 * torch.randn_like(start)
    found.loss(start)
    loss, gradient = found.gradient(moved)
    assert torch.equal(found.flat, moved)
    other_loss, other_gradient = expected(net)
    torch.testing.assert_close(loss, other_loss)
    torch.testing.assert_close(gradient, other_gradient)
    torch.testing.assert_close(found.loss(moved), other_loss)


def test_rows_and_their_jacobian() -> None:
    net = network()
    found = objective(net)
    start = found.flat.clone()
    rows, jacobian = found.jacobian(start)
    loss, gradient = expected(net)
    torch.testing.assert_close(rows @ rows, loss)
    torch.testing.assert_close(2 * jacobian.transposed_times(rows), gradient)
    torch.testing.assert_close(found.rows(start), rows)
    pde, boundary = net(POINTS["interior"]).detach(), net(POINTS["boundary"])[:, 0].detach() - 1
    torch.testing.assert_close(rows, torch.cat([pde.flatten() * (3 / 12) ** 0.5, boundary * 0.25**0.5]))


def test_the_losses_of_the_first_evaluation_are_kept() -> None:
    found = objective(network())
    start = found.flat.clone()
    found.jacobian(start)
    before = dict(found.at_start)
    found.rows(start + 1)
    assert {term: float(loss) for term, loss in before.items()} == {
        term: float(loss) for term, loss in found.at_start.items()
    }
    torch.testing.assert_close(3 * before["pde"] + before["boundary"], found.loss(start))


def test_a_gradient_that_was_seen_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = objective(network())
    start = found.flat.clone()
    first = found.gradient(start)
    monkeypatch.setattr(found, "_differentiated", None)
    second = found.gradient(start.clone())
    assert torch.equal(first[1], second[1])
    second[1].zero_()  # a caller's own
    assert torch.equal(first[1], found.gradient(start)[1])


def test_residuals_that_differentiate_themselves() -> None:
    net = network()

    def residuals(points: dict[str, Tensor]) -> dict[str, Tensor]:
        x = points["interior"].clone().requires_grad_()
        (slope,) = torch.autograd.grad(net(x)[:, 0].sum(), x, create_graph=True)
        return {"pde": slope[:, 0]}

    params: list[Tensor] = list(net.parameters())
    stage = ResidualLosses(MeanSquares(), residuals)  # type: ignore[arg-type]
    found = PointObjective(stage, POINTS, params, flat_of(params), {}, RowJacobians(net))
    start = found.flat.clone()
    rows, jacobian = found.jacobian(start)
    loss, gradient = found.gradient(start)
    torch.testing.assert_close(found.rows(start), rows)
    torch.testing.assert_close(rows @ rows, loss)
    torch.testing.assert_close(2 * jacobian.transposed_times(rows), gradient)


def test_another_type_is_undone() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    params = [*net[0].parameters(), *net[2].parameters()]
    before = {name: x.clone() for name, x in net.state_dict().items()}
    start = torch.cat([p.detach().flatten() for p in params]).double() + 1e-12
    with in_dtype(net, params, start) as flat:
        assert {x.dtype for x in net.state_dict().values() if x.is_floating_point()} == {torch.float64}
        flat += 1.0
        torch.testing.assert_close(next(net.parameters()).flatten(), flat[:6])
    assert all(torch.equal(x, before[name]) and x.dtype == before[name].dtype for name, x in net.state_dict().items())
    written_back(params, start + 1)
    torch.testing.assert_close(net[0].weight, before["0.weight"] + 1)
    assert net[0].weight.dtype == torch.float32


def test_another_type_is_undone_after_an_error() -> None:
    net = nn.Linear(2, 1)
    with pytest.raises(ZeroDivisionError), in_dtype(net, list(net.parameters()), torch.zeros(3, dtype=torch.float64)):
        raise ZeroDivisionError
    assert net.weight.dtype == torch.float32
    assert bool(net.weight.any())


def test_variants_that_add_rows() -> None:
    net, variant = network(), GPINN(weight=0.5)
    points = {part: x.clone() for part, x in POINTS.items()}
    stage = ResidualLosses(variant, lambda p: {"pde": net(p["interior"]).square().sum(dim=1)})
    from helpers.variants import problem

    variant.prepare(problem(pde="interior"))
    placed = stage.begin_fixed(points, 0)
    params: list[Tensor] = list(net.parameters())
    found = PointObjective(stage, placed, params, flat_of(params), {}, RowJacobians(net))
    start = found.flat.clone()
    rows, jacobian = found.jacobian(start)
    loss, gradient = found.gradient(start)
    torch.testing.assert_close(rows @ rows, loss)
    torch.testing.assert_close(2 * jacobian.transposed_times(rows), gradient)
