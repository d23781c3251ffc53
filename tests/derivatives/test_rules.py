"""The rules of higher derivatives: by hand, and the product of jets against reverse mode."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import partials
from lightning_autobalance.derivatives.names import Plan, Stream, parse
from lightning_autobalance.derivatives.rules import elementwise, leibniz
from lightning_autobalance.nets import MLP

NAMES = ("", "x", "y", "xx", "xy", "xx+yy", "xyy", "xxx+yyy", "x+y", "xxyy")


def points() -> Tensor:
    return torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_a_product_by_hand() -> None:
    plan = Plan.of(parse(["xx+yy"], 2))
    assert plan.streams == (((),), ((0,),), ((1,),), ((0, 0), (1, 1)))
    g, h = (streams(plan, values) for values in ([2.0, 3.0, 5.0, 7.0], [11.0, 13.0, 17.0, 19.0]))
    product = [stream.item() for stream in leibniz(plan, g, h).values()]
    assert product == [22, 2 * 13 + 3 * 11, 2 * 17 + 5 * 11, 2 * 19 + 7 * 11 + 2 * (3 * 13 + 5 * 17)]


def test_a_product_of_linear_factors_by_hand() -> None:
    plan = Plan.of(parse(["xx+yy"], 2))
    g, h = {((),): torch.tensor([[2.0]]), ((0,),): torch.tensor([[3.0]])}, {((),): torch.tensor([[5.0]])}
    assert leibniz(plan, g, h) == {((),): 10.0, ((0,),): 15.0}
    h = h | {((0,),): torch.tensor([[7.0]]), ((1,),): torch.tensor([[11.0]])}
    assert leibniz(plan, g, h) == {((),): 10.0, ((0,),): 29.0, ((1,),): 22.0, ((0, 0), (1, 1)): 42.0}


def test_a_chain_by_hand() -> None:
    plan = Plan.of(parse(["xx+yy"], 2))
    found = elementwise(plan, streams(plan, [2.0, 3.0, 5.0, 7.0]), lambda *_: [torch.tensor(s) for s in (11, 13, 17)])
    assert [stream.item() for stream in found.values()] == [11, 13 * 3, 13 * 5, 13 * 7 + 17 * (3 * 3 + 5 * 5)]


def test_a_chain_of_third_order_by_hand() -> None:
    plan = Plan.of(parse(["xxy"], 2))
    h = streams(plan, [2.0, 3.0, 5.0, 7.0, 11.0, 13.0])  # of h, h_x, h_y, h_xx, h_xy, h_xxy
    found = elementwise(plan, h, lambda *_: [torch.tensor(s) for s in (17, 19, 23, 29)])
    assert found[((0, 0, 1),)].item() == 19 * 13 + 23 * (7 * 5 + 2 * 3 * 11) + 29 * 3 * 3 * 5


def test_a_chain_of_a_linear_argument_by_hand() -> None:
    plan = Plan.of(parse(["xx+yy"], 2))
    h = {((),): torch.tensor([[2.0]]), ((0,),): torch.tensor([[3.0]])}
    found = elementwise(plan, h, lambda *_: [torch.tensor(s) for s in (11, 13, 17)])
    assert found == {((),): 11, ((0,),): 39, ((0, 0), (1, 1)): 17 * 9}
    h = {((),): torch.tensor([[2.0]])}
    assert elementwise(plan, h, lambda *_: [torch.tensor(s) for s in (11, 13, 17)]) == {((),): 11}


def test_only_the_streams_of_the_plan_are_computed() -> None:
    plan = Plan.of(parse(["xx+yy"], 2))
    h = streams(plan, [2.0, 3.0, 5.0, 7.0])
    found = elementwise(plan.without_firsts(), h, lambda *_: [torch.tensor(s) for s in (11, 13, 17)])
    assert found == {((),): 11, ((0, 0), (1, 1)): 13 * 7 + 17 * 34}


def streams(plan: Plan, values: list[float]) -> dict[Stream, Tensor]:
    return {s: torch.tensor([[value]]) for s, value in zip(plan.streams, values, strict=True)}


class Combined(nn.Module):
    """One network times another plus a third minus a fourth, or whatever is asked for."""

    def __init__(self, widths: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.nets = nn.ModuleList(MLP(2, k, [4]) for k in (*widths, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        a, b, c, d = (net(x) for net in self.nets)
        product: Tensor = a * b + c - d
        return product

    def taylor(self, jet: Any) -> Any:
        a, b, c, d = (jet.through(net) for net in self.nets)
        return a.times(b).plus(c).minus(d)


@pytest.mark.parametrize("widths", [(2, 2), (1, 2), (2, 1)], ids=str)
@pytest.mark.parametrize("asked", [NAMES, NAMES[:6], ("xx+yy",), ("xyy",), ("x+y",), ("",)], ids=str)
def test_sums_and_products_of_jets(widths: tuple[int, int], asked: tuple[str, ...]) -> None:
    net, found = Combined(widths).double(), []
    for mode in ("taylor", "reverse"):
        fields = partials(net, points(), *asked, mode=mode)  # type: ignore[arg-type]
        loss = torch.stack([f.square().sum() for f in fields]).sum()
        by_w = torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True)
        found.append([*fields, *by_w])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


class Moved(nn.Module):
    """The second coordinate, scaled and moved, through a network."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = MLP(1, 1, [4])

    def forward(self, x: Tensor) -> Tensor:
        fields: Tensor = self.net(3 * x[:, 1:] - 2)
        return fields

    def taylor(self, jet: Any) -> Any:
        return jet.features(1, 2).rescaled([3.0], [-2.0]).through(self.net)


@pytest.mark.parametrize("asked", [("", "y", "yy", "x", "x+y"), ("xx+yy",), ("yyy", "xy")], ids=str)
def test_features_and_scales(asked: tuple[str, ...]) -> None:
    net = Moved().double()
    for a, b in zip(*(partials(net, points(), *asked, mode=mode) for mode in ("taylor", "reverse")), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
