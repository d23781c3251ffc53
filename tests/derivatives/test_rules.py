"""The rules of higher derivatives: by hand, and the product of jets against reverse mode."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import partials
from lightning_autobalance.derivatives.names import Plan, parse
from lightning_autobalance.derivatives.rules import leibniz
from lightning_autobalance.derivatives.taylor import Jet
from lightning_autobalance.nets import MLP

NAMES = ("", "x", "y", "xx", "xy", "xx+yy", "xyy", "xxx+yyy", "x+y", "xxyy")


def points() -> Tensor:
    return torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_a_product_by_hand() -> None:
    plan = Plan.of(parse(["xx+yy"], 2))
    assert plan.streams == (((),), ((0,),), ((1,),), ((0, 0), (1, 1)))
    g, h = (torch.tensor(values).view(4, 1, 1) for values in ([2.0, 3.0, 5.0, 7.0], [11.0, 13.0, 17.0, 19.0]))
    product = leibniz(plan, g, h).flatten().tolist()
    assert product == [22, 2 * 13 + 3 * 11, 2 * 17 + 5 * 11, 2 * 19 + 7 * 11 + 2 * (3 * 13 + 5 * 17)]


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


def cubic(x: Tensor) -> Tensor:
    return x[:, :1] ** 2 * x[:, 1:]


def test_a_function_as_a_jet() -> None:
    plan = Plan.of(parse(["", "xxy"], 2))
    jet = Jet.of_points(plan, torch.tensor([[3.0, 5.0]])).of(cubic)
    by_stream = dict(zip(plan.streams, jet.stack.flatten().tolist(), strict=True))
    expected = {((),): 45, ((0,),): 30, ((1,),): 9, ((0, 0),): 10, ((0, 1),): 6, ((0, 0, 1),): 2}
    assert by_stream == expected


def test_a_function_behind_other_layers_is_refused() -> None:
    jet = Jet.of_points(Plan.of(parse(["x"], 2)), torch.rand(3, 2)).through(nn.Linear(2, 2))
    with pytest.raises(TypeError, match=r"`function` must have a method `taylor` .* got cubic"):
        jet.of(cubic)
