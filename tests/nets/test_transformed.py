"""Conditions built into a network."""

from collections.abc import Callable
from math import pi
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_autobalance.derivatives import partials, supports_taylor
from lightning_autobalance.nets import MLP, Transformed, ZeroAtStart, ZeroOnEdge
from lightning_autobalance.points import Rectangle, Uniform, sample


def rows(*points: tuple[float, float]) -> Tensor:
    return torch.tensor(points, dtype=torch.float64)


def test_zero_on_edge_by_hand() -> None:
    factor = ZeroOnEdge([(0.0, 2.0), (-1.0, 1.0)])
    found = factor(rows((1.0, 0.0), (0.5, 0.0), (0.5, 0.5), (2.0, 0.3), (1.0, -1.0), (3.0, 0.0)))
    assert found.flatten().tolist() == [1.0, 0.75, 0.5625, 0.0, 0.0, -3.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_on_edge_is_exact_where_the_bounds_are_not(dtype: torch.dtype) -> None:
    box = Rectangle((-pi, pi), (0.1, 0.7))
    edge = torch.as_tensor(sample(box, "boundary", 40, Uniform(), 0, 0)).to(dtype)
    net = Transformed(MLP(2, 1, [4]).to(dtype), ZeroOnEdge([(-pi, pi), (0.1, 0.7)])).to(dtype)
    assert not net(edge).any()
    assert net(torch.tensor([[0.3, 0.4]], dtype=dtype)).any()


def test_later_coordinates_do_not_matter() -> None:
    factor = ZeroOnEdge([(0.0, 2.0)])
    assert torch.equal(factor(rows((0.5, 0.0))), factor(rows((0.5, 9.0))))


def test_zero_at_start_by_hand() -> None:
    assert ZeroAtStart(1.0, 3.0)(rows((7.0, 1.0), (7.0, 2.0), (7.0, 3.0))).flatten().tolist() == [0.0, 0.5, 1.0]
    assert ZeroAtStart()(torch.tensor([[0.25]])).item() == 0.25


@pytest.mark.parametrize("column", [1, -2])
def test_time_before_a_parameter(column: int) -> None:
    factor = ZeroAtStart(1.0, 3.0, column)
    x = torch.tensor([[7.0, 1.0, 5.0], [7.0, 2.0, 1.0]], dtype=torch.float64)
    assert factor(x).flatten().tolist() == [0.0, 0.5]
    net = Transformed(MLP(3, 1, [4]), factor).double()
    assert supports_taylor(net)
    for name in ("t", "nu", "tt", "xt"):
        found = [partials(net, x, name, coordinates=("x", "t", "nu"), mode=mode)[0] for mode in ("taylor", "reverse")]
        torch.testing.assert_close(*found)


@pytest.mark.parametrize("column", [2, -3])
def test_a_column_that_is_none_is_refused(column: int) -> None:
    with pytest.raises(ValueError, match=f"`column` must be from -2 to 1 with 2 coordinates, got {column}"):
        ZeroAtStart(column=column)(torch.rand(3, 2))


def test_the_condition_holds_whatever_the_network_gives() -> None:
    torch.manual_seed(0)

    def start(x: Tensor) -> Tensor:
        return torch.sin(pi * x[:, :1])

    net = Transformed(Transformed(MLP(2, 1, [4]), ZeroOnEdge([(0.0, 1.0)])), ZeroAtStart(), start).double()
    x = torch.rand(9, 1, dtype=torch.float64)
    zeros, ones = torch.zeros_like(x), torch.ones_like(x)
    assert torch.equal(net(torch.cat([x, zeros], dim=1)), start(x))
    torch.testing.assert_close(net(torch.cat([ones, x], dim=1)), zeros, rtol=0, atol=1e-15)
    assert net(torch.full((1, 2), 0.5).double()).item() != 0.5


def test_factor_and_offset_are_optional() -> None:
    inner, x = MLP(2, 2, [3]), torch.rand(4, 2)
    assert torch.equal(Transformed(inner, offset=torch.cos)(x), torch.cos(x) + inner(x))
    assert torch.equal(Transformed(inner, torch.cos)(x), torch.cos(x) * inner(x))


def test_a_factor_with_parameters_is_trained() -> None:
    torch.manual_seed(0)
    net = Transformed(MLP(2, 1, [3]), torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Softsign())).double()
    assert supports_taylor(net)  # though Softsign does not
    assert not supports_taylor(net.factor)
    x, found = torch.rand(4, 2, dtype=torch.float64), []
    for mode in ("taylor", "reverse"):
        loss = partials(net, x, "xx+yy", mode=mode)[0].square().sum()  # type: ignore[arg-type]
        found.append(torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_networks_layers_decide_about_taylor_mode() -> None:
    assert not supports_taylor(Transformed(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()), torch.cos))


def test_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="`factor` or `offset` must be given, got neither"):
        Transformed(MLP())


@pytest.mark.parametrize("mode", ["forward", "taylor", "reverse"])
@pytest.mark.parametrize("name", ["factor", "offset"])
def test_values_without_columns_are_refused(name: str, mode: Any) -> None:
    def flat(x: Tensor) -> Tensor:
        return x[:, 0]

    net = Transformed(MLP(2, 1, [3]), **{name: flat})
    with pytest.raises(ValueError, match=r"must give \(5, .*at 5 points, got \(5,\)"):
        _ = net(torch.rand(5, 2)) if mode == "forward" else partials(net, torch.rand(5, 2), "x", mode=mode)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ZeroOnEdge([]), "`bounds` must be one or more pairs, got none"),
        (lambda: ZeroOnEdge([(1.0, 0.0)]), r"`bounds` must be pairs of a lower and a higher number, got \(1.0, 0.0\)"),
        (lambda: ZeroAtStart(1.0, 1.0), "`end` must be > `start`, 1.0, got 1.0"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
