"""Residuals of several modules as one."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from helpers.toys import Poisson2D
from helpers.waves import Wave
from lightning_autobalance.module import PINNModule
from lightning_autobalance.sweeps.ensemble.stacking import CannotStackError, Stack


def modules(kind: type[PINNModule], count: int = 3) -> list[PINNModule]:
    torch.manual_seed(0)
    return [kind().double() for _ in range(count)]


def some_points(kind: type[PINNModule], count: int = 3) -> list[dict[str, Tensor]]:
    torch.manual_seed(1)
    parts = ("interior", "boundary", "initial") if kind is Wave else ("interior", "boundary")
    return [{part: torch.rand(6 + i, 2).double() for i, part in enumerate(parts)} for _ in range(count)]


@pytest.mark.parametrize("kind", [Poisson2D, Wave])
def test_residuals_and_gradients_are_those_of_each(kind: type[PINNModule]) -> None:
    own, points = modules(kind), some_points(kind)
    stack = Stack(own)
    state = stack.state()
    found = stack.residuals(state, stack.points(points))
    total = sum((r.square().sum() for rows in found for r in rows.values()), start=torch.zeros(()))
    gradients = torch.autograd.grad(total, [state["net.0.weight"], state["net.4.bias"]])
    for i, module in enumerate(own):
        alone = module.residuals(points[i])
        for term, row in alone.items():
            torch.testing.assert_close(found[i][term], row, rtol=1e-12, atol=1e-12)
        params = dict(module.named_parameters())
        wanted = torch.autograd.grad(
            sum((r.square().sum() for r in alone.values()), start=torch.zeros(())),
            [params["net.0.weight"], params["net.4.bias"]],
        )
        for gradient, w in zip(gradients, wanted, strict=True):
            torch.testing.assert_close(gradient[i], w, rtol=1e-10, atol=1e-12)


def test_the_modules_stay_as_they_are() -> None:
    own, points = modules(Poisson2D), some_points(Poisson2D)
    before = [{name: (p, p.detach().clone()) for name, p in module.named_parameters()} for module in own]
    Stack(own).check(points)
    for module, kept in zip(own, before, strict=True):
        for name, p in module.named_parameters():
            assert p is kept[name][0]
            assert torch.equal(p, kept[name][1])


def test_stacked_points_are_kept_while_they_stay() -> None:
    points = some_points(Poisson2D)
    stack = Stack(modules(Poisson2D))
    first = stack.points(points)
    assert stack.points(points)["interior"] is first["interior"]
    points[1]["interior"].add_(1.0)
    assert torch.equal(stack.points(points)["interior"][1], points[1]["interior"])
    points[1]["interior"] = torch.zeros(6, 2).double()
    assert not stack.points(points)["interior"][1].any()


def test_variants_and_metrics_are_not_stacked() -> None:
    module = Poisson2D()
    module.variant.register_buffer("memory", torch.zeros(3))
    assert set(Stack([module]).state()) == {f"net.{name}" for name, _ in module.net.named_parameters()}


class Detached(Poisson2D):
    """Its residual differs in each module by an attribute that is a tensor but no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.source = [torch.rand(())]

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        return {**found, "boundary": found["boundary"] + self.source[0]}


class Reassigning(Poisson2D):
    """Counts in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.seen = self.seen + 1
        return super().residuals(points)


class InPlace(Reassigning):
    """Counts in place."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.seen += 1
        return Poisson2D.residuals(self, points)


class Asking(Poisson2D):
    """Asks for a value."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        return found if found["pde"].abs().max() > 0 else {}


@pytest.mark.parametrize(
    ("kind", "error", "reason"),
    [
        (Detached, CannotStackError, "the residual of 'boundary' is another one then"),
        (Reassigning, CannotStackError, "they change 'seen'"),
        (InPlace, CannotStackError, "they change 'seen'"),
        (Asking, RuntimeError, "data-dependent control flow"),
    ],
)
def test_what_cannot_be_stacked_is_found(kind: type[PINNModule], error: type[Exception], reason: str) -> None:
    own = modules(kind)
    with pytest.raises(error, match=reason):
        Stack(own).check(some_points(kind))
    assert all(float(getattr(module, "seen", 0)) == 0 for module in own)
