"""Reverse mode: values by hand, what does not depend on a coordinate, and what it refuses."""

import pytest
import torch
from torch import nn

from lightning_autobalance.derivatives import partials
from lightning_autobalance.derivatives.reverse import reverse

POINTS = torch.randn(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_two_fields_and_a_sum_by_hand() -> None:
    x = torch.tensor([[2.0, 3.0]])
    wanted = [((),), ((0,),), ((0, 1),), ((0, 0), (1, 1))]
    found = reverse(lambda x: torch.cat([x[:, :1] ** 3 * x[:, 1:], x[:, 1:] ** 2], dim=1), x, wanted)
    assert [value.tolist() for value in found] == [[[24, 9]], [[36, 0]], [[12, 0]], [[36, 2]]]
    assert not x.requires_grad


def test_the_results_can_be_differentiated_unless_gradients_are_off() -> None:
    x = torch.tensor([[2.0, 3.0]], requires_grad=True)
    (u_x,) = reverse(lambda x: x[:, :1] ** 3 * x[:, 1:], x, [((0,),)])
    (u_xx_and_u_xy,) = torch.autograd.grad(u_x.sum(), x)
    assert u_xx_and_u_xy.tolist() == [[36, 12]]
    with torch.no_grad():
        assert not reverse(lambda x: x[:, :1] ** 3, x, [((0,),)])[0].requires_grad


def test_a_network_that_mixes_points_is_refused() -> None:
    mixing = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).double()
    with pytest.raises(ValueError, match=r"`net` must map each point by itself, got a BatchNorm1d in training mode"):
        partials(mixing, POINTS, "x")
    assert partials(mixing.eval(), POINTS, "x")[0].shape == (7, 1)


def test_a_field_without_columns_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`<lambda>` must give \(7, k\) at 7 points, got \(7,\)"):
        partials(lambda x: x[:, 0], POINTS, "x")


def test_a_field_that_does_not_depend_on_a_coordinate() -> None:
    found = partials(lambda x: x[:, :1], POINTS, "y", "xx", "xyy")
    assert all(torch.equal(value, torch.zeros(7, 1).double()) for value in found)
    constant = partials(lambda x: torch.ones_like(x[:, :1]), POINTS, "x")[0]
    assert torch.equal(constant, torch.zeros(7, 1).double())


def test_layer_norm_is_refused_from_second_derivatives_on() -> None:
    net = nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 1))
    x = torch.rand(3, 2)
    assert partials(net, x, "x")[0].shape == (3, 1)
    with pytest.raises(ValueError, match="`net` must have no LayerNorm where second derivatives are asked for"):
        partials(net, x, "xx")


def test_rms_norm_is_right_where_layer_norm_is_not() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.RMSNorm(4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = torch.rand(3, 2, dtype=torch.float64)
    weight = net[0].weight

    def loss() -> torch.Tensor:
        return partials(net, x, "xx")[0].square().sum()

    (gradient,) = torch.autograd.grad(loss(), weight)
    with torch.no_grad():
        weight[0, 0] += 1e-5
        above = loss()
        weight[0, 0] -= 2e-5
        below = loss()
    assert gradient[0, 0].item() == pytest.approx(((above - below) / 2e-5).item(), rel=1e-6)
