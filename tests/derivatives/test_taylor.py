"""Jets by hand, and Taylor mode against reverse mode, with gradients and gradients of gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import partials
from lightning_autobalance.derivatives.names import Plan, Stream, parse
from lightning_autobalance.derivatives.taylor import Jet
from lightning_autobalance.nets.activations import Square

ASKED = [("", "x", "y"), ("xx+yy",), ("", "xy"), ("x", "xx", "xy", "yy"), ("", "xx", "xxy"), ("xxxx+yyyy",), ("",)]
LAPLACIAN = Plan.of(parse(["xx+yy"], 2))
X: Stream = ((0,),)
Y: Stream = ((1,),)
XX_YY: Stream = ((0, 0), (1, 1))


@pytest.fixture(params=[nn.Tanh(), nn.SiLU()], ids=repr)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), request.param, nn.Linear(4, 4), request.param, nn.Linear(4, 2))


def points(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(dtype)


def numbers(jet: Jet) -> dict[Stream, list[list[float]]]:
    return {s: stream.tolist() for s, stream in jet.streams.items()}


@pytest.mark.parametrize("asked", ASKED, ids=str)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-4), (torch.float64, 1e-11)], ids=str)
def test_taylor_mode_is_reverse_mode(net: nn.Module, asked: tuple[str, ...], dtype: torch.dtype, rtol: float) -> None:
    found = []
    for mode in ("taylor", "reverse"):
        made, x = net.to(dtype), points(dtype).requires_grad_()
        fields = torch.cat(partials(made, x, *asked, mode=mode))  # type: ignore[arg-type]
        variables = [x, *made.parameters()]
        firsts = torch.autograd.grad(fields.square().sum(), variables, create_graph=True, materialize_grads=True)
        second = torch.stack([first.square().sum() for first in firsts]).sum()
        found.append([fields, *firsts, *torch.autograd.grad(second, variables, materialize_grads=True)])
    for a, b in zip(*found, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a, b, rtol=rtol, atol=rtol * float(b.detach().abs().max()))


def test_the_derivatives_of_the_coordinates() -> None:
    jet = Jet.of_points(Plan.of(parse(["x+y", "xx+yy"], 2)), torch.tensor([[2.0, 3.0]]))
    assert numbers(jet) == {((),): [[2, 3]], X: [[1, 0]], ((0,), (1,)): [[1, 1]], Y: [[0, 1]]}
    assert jet.of_stream(XX_YY).tolist() == [[0, 0]]
    with pytest.raises(KeyError):
        jet.of_stream(((0, 1),))


def test_a_jet_along_lines_by_hand() -> None:
    x, direction = torch.tensor([[2.0, 3.0]]), torch.tensor([[10.0, 100.0]])
    jet = Jet.along(x, direction)
    assert numbers(jet) == {((),): [[2, 3]], X: [[10, 100]]}
    assert numbers(jet.features(0, 1).times(jet.features(1, 2))) == {((),): [[6]], X: [[230]]}
    assert numbers(jet.of(lambda x: x[:, :1] * x[:, 1:])) == {((),): [[6]], X: [[230]]}


def test_a_layer_with_its_activation_by_hand() -> None:
    jet = Jet.of_points(LAPLACIAN, torch.tensor([[2.0, 3.0], [0.0, 1.0]]))
    weight, bias = torch.tensor([[5.0, 7.0]]), torch.tensor([11.0])
    assert numbers(jet.linear(weight, bias)) == {((),): [[42], [18]], X: [[5]], Y: [[7]]}
    squares = {((),): [[42**2], [18**2]], X: [[2 * 42 * 5], [2 * 18 * 5]], Y: [[2 * 42 * 7], [2 * 18 * 7]]}
    laplacian: dict[Stream, Any] = {XX_YY: [[2 * (25 + 49)]] * 2}
    assert numbers(jet.linear(weight, bias, Square())) == squares | laplacian
    dropped = jet.linear(weight, bias, Square(), drop_firsts=True)
    assert numbers(dropped) == {((),): squares[((),)]} | laplacian


def test_scales_and_features_by_hand() -> None:
    jet = Jet.of_points(LAPLACIAN, torch.tensor([[2.0, 3.0]])).rescaled([5.0, 7.0], [1.0, -1.0])
    assert numbers(jet) == {((),): [[11, 20]], X: [[5, 0]], Y: [[0, 7]]}
    assert numbers(jet.features(1, 2)) == {((),): [[20]], X: [[0]], Y: [[7]]}


def test_sums_products_and_joins_by_hand() -> None:
    x, y = (Jet.of_points(LAPLACIAN, torch.tensor([[2.0, 3.0]])).features(i, i + 1) for i in range(2))
    square = x.times(x)
    assert numbers(square) == {((),): [[4]], X: [[4]], Y: [[0]], XX_YY: [[2]]}
    assert numbers(square.plus(y)) == {((),): [[7]], X: [[4]], Y: [[1]], XX_YY: [[2]]}
    assert numbers(y.minus(square)) == {((),): [[-1]], X: [[-4]], Y: [[1]], XX_YY: [[-2]]}
    assert numbers(y.joined([y, square])) == {((),): [[3, 4]], X: [[0, 4]], Y: [[1, 0]], XX_YY: [[0, 2]]}


def test_a_join_of_a_linear_jet_and_another_has_all_points() -> None:
    x = Jet.of_points(LAPLACIAN, torch.tensor([[2.0, 3.0], [5.0, 7.0]])).features(0, 1)
    assert x.joined([x, x.activated(Square())]).streams[X].tolist() == [[1, 4], [1, 10]]


def test_nothing_but_linear_layers_behind_dropped_first_derivatives() -> None:
    jet = Jet.of_points(LAPLACIAN, torch.rand(3, 2))
    dropped = jet.activated(nn.Tanh(), drop_firsts=True)
    for refused in (lambda: dropped.activated(nn.Tanh()), lambda: jet.times(dropped), lambda: dropped.times(jet)):
        with pytest.raises(ValueError, match="`drop_firsts` must be False where an activation or a product follows"):
            refused()
    with pytest.raises(KeyError):
        jet.plus(dropped)


def test_an_activation_without_known_derivatives_is_refused() -> None:
    with pytest.raises(TypeError, match="`activation` must be one of known derivatives, got ReLU"):
        Jet.of_points(LAPLACIAN, torch.rand(3, 2)).activated(nn.ReLU())


def test_transforms_of_torch_pass(net: nn.Module) -> None:
    x = points()
    expected = partials(net.double(), x, "", "xx+yy")
    rows = torch.func.vmap(lambda point: partials(net, point[None], "", "xx+yy"))(x)
    for a, b in zip(rows, expected, strict=True):
        torch.testing.assert_close(a[:, 0], b, rtol=1e-13, atol=1e-13)


def cubic(x: Tensor) -> Tensor:
    return x[:, :1] ** 2 * x[:, 1:]


def test_a_function_as_a_jet() -> None:
    plan = Plan.of(parse(["", "xxy"], 2))
    jet = Jet.of_points(plan, torch.tensor([[3.0, 5.0]])).of(cubic)
    by_stream = {s: value.item() for s, value in jet.streams.items()}
    expected = {((),): 45, ((0,),): 30, ((1,),): 9, ((0, 0),): 10, ((0, 1),): 6, ((0, 0, 1),): 2}
    assert by_stream == expected


def test_a_function_behind_other_layers_is_refused() -> None:
    jet = Jet.of_points(Plan.of(parse(["x"], 2)), torch.rand(3, 2)).through(nn.Linear(2, 2))
    with pytest.raises(TypeError, match=r"`function` must have a method `taylor` .* got cubic"):
        jet.of(cubic)
