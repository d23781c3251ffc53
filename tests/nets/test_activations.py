"""Our own activations: their derivatives."""

import pytest
import torch
from torch import nn

from lightning_autobalance.nets import Sin
from lightning_autobalance.nets.activations import CosSin, Exp, Parabola, Square


def test_values() -> None:
    z = torch.linspace(-3, 3, 13)
    found = Sin().derivatives(z, 4)
    for ours, theirs in zip(found, [z.sin(), z.cos(), -z.sin(), -z.cos(), z.sin()], strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(Sin()(z), z.sin())


def test_cosines_and_sines() -> None:
    z = torch.linspace(-3, 3, 12).view(3, 4)
    a, b = z[:, :2], z[:, 2:]
    assert torch.equal(CosSin()(z), torch.cat([a.cos(), b.sin()], dim=1))


def test_a_parabola_by_hand() -> None:
    found = Parabola(1.0, 4.0, 2.0).derivatives(torch.tensor([1.0, 2.0]), 3)
    assert [values.tolist() for values in found] == [[0, 4], [6, 2], [-4, -4], [0, 0]]


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("activation", [Sin(), CosSin(), Exp(), Square(), Parabola(-0.3, 0.8, 1.7)], ids=repr)
def test_derivatives_are_those_of_the_function(activation: nn.Module, order: int) -> None:
    z = torch.linspace(-2, 2, 8, dtype=torch.float64).view(2, 4).requires_grad_()
    found = activation.derivatives(z, order)  # type: ignore[operator]
    assert len(found) == order + 1
    values = activation(z)
    for ours in found:
        torch.testing.assert_close(ours, values, rtol=1e-12, atol=1e-12)
        if not values.requires_grad:
            break
        (values,) = torch.autograd.grad(values.sum(), z, create_graph=True, materialize_grads=True)
