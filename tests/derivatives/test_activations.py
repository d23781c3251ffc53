"""Derivatives of every activation against nested autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives.activations import KNOWN, derivatives_of
from lightning_autobalance.nets import Sin

MODULES = [
    nn.Tanh(),
    nn.Sigmoid(),
    nn.SiLU(),
    nn.GELU(),
    nn.Softplus(),
    nn.Softplus(beta=2.5, threshold=3.0),
    Sin(),
]


def test_the_list_is_complete() -> None:
    assert {type(module) for module in MODULES} == {*KNOWN, Sin}


def by_autograd(f: Callable[[Tensor], Tensor], z: Tensor, order: int) -> list[Tensor]:
    z = z.clone().requires_grad_()
    found = [f(z)]
    for _ in range(order):
        if not found[-1].requires_grad:
            found.append(torch.zeros_like(z))
            continue
        (slope,) = torch.autograd.grad(found[-1].sum(), z, create_graph=True)
        found.append(slope)
    return [value.detach() for value in found]


@pytest.mark.parametrize("order", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("module", MODULES, ids=repr)
def test_derivatives(module: nn.Module, order: int) -> None:
    f = derivatives_of(module)
    assert f is not None
    z = torch.linspace(-4, 4, 41, dtype=torch.float64)
    found = f(z, order)
    assert len(found) == order + 1
    for ours, theirs in zip(found, by_autograd(module, z, order), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_known_values() -> None:
    f = derivatives_of(nn.Tanh())
    assert f is not None
    zero = torch.zeros(1, dtype=torch.float64)
    assert [round(value.item(), 12) for value in f(zero, 5)] == [0, 1, 0, -2, 0, 16]


@pytest.mark.parametrize("module", [nn.ReLU(), nn.GELU(approximate="tanh"), nn.Dropout(), nn.LayerNorm(3)])
def test_others_are_not_known(module: nn.Module) -> None:
    assert derivatives_of(module) is None


def test_a_subclass_with_its_own_forward_is_not_known() -> None:
    class Scaled(nn.Tanh):
        def forward(self, z: Tensor) -> Tensor:
            return torch.tanh(2 * z)

    assert derivatives_of(Scaled()) is None


def test_a_module_may_teach_its_own() -> None:
    class Square(nn.Module):
        def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
            return [z * z, 2 * z, 2 * torch.ones_like(z), torch.zeros_like(z)][: order + 1]

    f = derivatives_of(Square())
    assert f is not None
    assert f(torch.tensor([3.0]), 1)[1].item() == 6
