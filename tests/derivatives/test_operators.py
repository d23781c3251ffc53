"""Both modes: known derivatives, the same numbers, differentiable again."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import (
    derivative_along,
    divergence,
    gradient,
    laplacian,
    partials,
    supports_taylor,
)
from lightning_autobalance.nets import MLP, FourierFeatures, ModifiedMLP, Parallel, Transformed, ZeroOnEdge

MODES = ("taylor", "reverse")


def net(d: int = 2, k: int = 1, activation: str = "tanh", bias: bool = True) -> nn.Module:
    torch.manual_seed(0)
    made = MLP(d, k, [6, 5], activation=activation).double()
    for layer in made:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.bias)
            if not bias:
                layer.bias = None
    return made


def points(d: int = 2, count: int = 7) -> Tensor:
    return torch.randn(count, d, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def polynomial(x: Tensor) -> Tensor:
    return x[:, :1] ** 3 * x[:, 1:] ** 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("", 72.0), ("x", 108.0), ("y", 48.0), ("xx", 108.0), ("xy", 72.0), ("yx", 72.0), ("yyy", 0.0), ("xxx", 54.0)],
)
def test_values_by_hand(name: str, value: float) -> None:
    x = torch.tensor([[2.0, 3.0]], dtype=torch.float64)
    (found,) = partials(polynomial, x, name)
    assert found.item() == pytest.approx(value)
    assert found.shape == (1, 1)


def test_a_sum_is_the_sum() -> None:
    x = points()
    xx, yy, both = partials(polynomial, x, "xx", "yy", "xx+yy")
    torch.testing.assert_close(both, xx + yy)


@pytest.mark.parametrize("asked", [("x+y",), ("", "x+y", "y", "xx+yy", "xy"), ("x+y", "xyy")], ids=str)
def test_sums_of_first_derivatives(asked: tuple[str, ...]) -> None:
    for a, b in zip(*(partials(net(), points(), *asked, mode=mode) for mode in MODES), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("activation", ["tanh", "sin", "silu", "gelu", "softplus", "sigmoid"])
@pytest.mark.parametrize(("d", "k"), [(1, 1), (2, 1), (2, 2), (3, 2)])
def test_modes_agree(activation: str, d: int, k: int) -> None:
    names = ["", "x", "xx", "xxx", "xxxx"]
    if d > 1:
        names += ["y", "xy", "xx+yy", "xxy", "xxyy", "xxxx+yyyy"]
    for asked in (names, names[:3], ["", names[-4]], ["xx"], ["x"], [""]):
        taylor, reverse = (partials(net(d, k, activation), points(d), *asked, mode=mode) for mode in MODES)
        for a, b in zip(taylor, reverse, strict=True):
            assert a.shape == (7, k)
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("asked", [("", "xx+yy"), ("x", "xy"), ("xxx",), ("",)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_parameter_gradients_and_residual_gradients_agree(activation: str, asked: tuple[str, ...]) -> None:
    found = []
    for mode in MODES:
        model, x = net(2, 2, activation), points().requires_grad_()
        residual = sum((p.square() for p in partials(model, x, *asked, mode=mode)), start=torch.zeros(7, 2).double())
        (by_x,) = torch.autograd.grad(residual.sum(), x, create_graph=True)
        loss = residual.mean() + by_x.square().mean()  # what gPINN takes
        by_w = torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)
        found.append([by_x, *by_w])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_float32_agrees_with_float64() -> None:
    model, x = net(), points()
    exact = partials(model, x, "", "xx+yy")
    rounded = partials(model.float(), x.float(), "", "xx+yy")
    for a, b in zip(rounded, exact, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_operators(mode: Any) -> None:
    model, x = net(2, 2), points()
    u_x, u_y, xx, yy = partials(model, x, "x", "y", "xx", "yy", mode=mode)
    torch.testing.assert_close(gradient(model, x, mode), torch.stack([u_x, u_y], dim=-1))
    torch.testing.assert_close(divergence(model, x, mode), u_x[:, :1] + u_y[:, 1:])
    torch.testing.assert_close(laplacian(model, x, mode), xx + yy)
    assert gradient(net(2, 1), x, mode).shape == (7, 2)
    assert laplacian(net(2, 1), x, mode).shape == (7, 1)


def test_divergence_needs_one_field_per_coordinate() -> None:
    with pytest.raises(ValueError, match=r"`net` must give one field per coordinate, 2, got 1"):
        divergence(net(2, 1), points())


@pytest.mark.parametrize("mode", MODES)
def test_without_gradients_and_in_inference_mode(mode: Any) -> None:
    model = net()
    expected = partials(model, points(), "", "xx+yy", mode=mode)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            found = partials(model, points(), "", "xx+yy", mode=mode)
            assert not any(p.requires_grad for p in found)
            for a, b in zip(found, expected, strict=True):
                torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    "model",
    [
        lambda: net(bias=False),
        lambda: nn.Sequential(net(2, 3), nn.Tanh(), nn.Linear(3, 1)).double(),
        lambda: nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 4), nn.Identity(), nn.Tanh(), nn.Tanh()).double(),
        lambda: nn.Sequential(nn.Tanh(), nn.Linear(2, 1)).double(),
        lambda: nn.Linear(2, 1).double(),
        lambda: Parallel([net(2, 1), net(2, 2, "silu")]),
        lambda: Renamed([net(2, 1), net(2, 2, "silu")]),
        lambda: nn.Sequential(Parallel([net(2, 1), net(2, 1)]), nn.Linear(2, 1).double()),
    ],
    ids=["no bias", "nested", "odd order", "activation first", "linear", "parallel", "subclass", "parallel inside"],
)
def test_other_chains_of_layers(model: Callable[[], nn.Module]) -> None:
    made = model()
    assert supports_taylor(made)
    for asked in (("", "x", "xx+yy", "xy"), ("xx+yy",), ("", "xxy")):
        taylor, reverse = (partials(made, points(), *asked, mode=mode) for mode in MODES)
        for a, b in zip(taylor, reverse, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


class Doubled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Backwards(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(-x)


class Tripled(Parallel):
    """Overrides `forward` beside an inherited `taylor`, which would give other numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * super().forward(x)


class Renamed(Parallel):
    """Overrides neither."""


def hooked() -> nn.Module:
    model = net()
    model[0].register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("model", "culprit"),
    [
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU()), "ReLU"),
        (lambda: nn.Sequential(Doubled(2, 1)), "Doubled"),
        (lambda: Backwards(nn.Linear(2, 1)), "Backwards"),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Linear(2, 1)), "Dropout"),
        (hooked, "Linear"),
        (lambda: Tripled([net()]), "Tripled"),
        (lambda: Parallel([net(), nn.Sequential(nn.Linear(2, 1), nn.ReLU())]), "ReLU"),
    ],
    ids=["relu", "linear", "sequential", "dropout", "hooks", "inherited", "parallel"],
)
def test_what_taylor_mode_cannot_pass_is_named_and_left_to_reverse_mode(model: Any, culprit: str) -> None:
    made = model().double()
    assert not supports_taylor(made)
    with pytest.raises(TypeError, match=rf"`mode` must be 'reverse' .* {culprit} is no layer"):
        partials(made, points(), "x", mode="taylor")
    assert len(partials(made, points(), "x")[0]) == 7


def test_functions_take_reverse_mode() -> None:
    assert not supports_taylor(polynomial)


# Along a direction


def test_a_derivative_along_a_direction_by_hand() -> None:
    x, direction = torch.tensor([[2.0, 3.0], [1.0, 1.0]]), torch.tensor([[0.6, 0.8], [-1.0, 0.0]])
    assert derivative_along(polynomial, x, direction).flatten().tolist() == pytest.approx([0.6 * 108 + 0.8 * 48, -3.0])


ALONG: dict[str, Callable[[], nn.Module]] = {
    "two fields": lambda: net(2, 2),
    "fourier": lambda: FourierFeatures(2, 1, [5], waves=3),
    "modified": lambda: ModifiedMLP(2, 1, [4, 4]),
    "by a function": lambda: Transformed(MLP(2, 1, [5]), polynomial, polynomial),
    "by a factor": lambda: Parallel([Transformed(MLP(2, 2, [5]), ZeroOnEdge([(-1.0, 3.0)]))]),
    "linear": lambda: nn.Linear(2, 2),
}


@pytest.mark.parametrize("name", ALONG)
def test_it_is_the_sum_of_partial_derivatives_in_both_modes(name: str) -> None:
    torch.manual_seed(0)
    made, found = ALONG[name]().double(), []
    for way in ("sum", *MODES):
        x = points().requires_grad_()
        direction = torch.nn.functional.normalize(torch.cat([x[:, 1:], 1 + x[:, :1] ** 2], dim=1), dim=1)
        if way == "sum":
            along = sum(partials(made, x, "x", "y")[i] * direction[:, i, None] for i in range(2))
        else:
            along = derivative_along(made, x, direction, mode=way)  # type: ignore[arg-type]
        (by_x,) = torch.autograd.grad(along.square().sum(), x, create_graph=True)
        loss = along.mean() + by_x.square().mean()
        by_w = torch.autograd.grad(loss, list(made.parameters()), materialize_grads=True)
        found.append([along, by_x, *by_w])
    for expected, *others in zip(*found, strict=True):
        for other in others:
            torch.testing.assert_close(other, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", MODES)
def test_a_derivative_along_a_direction_in_inference_mode(mode: Any) -> None:
    made = net()
    with torch.inference_mode():
        found = derivative_along(made, points(), torch.ones_like(points()), mode=mode)
    torch.testing.assert_close(found, partials(made, points(), "x+y")[0].detach())
    assert not found.requires_grad


def test_what_has_no_derivative_along_a_direction() -> None:
    with pytest.raises(ValueError, match=r"`direction` must be of the points' shape, \(7, 2\), got \(1, 2\)"):
        derivative_along(net(), points(), torch.ones(1, 2).double())
    with pytest.raises(TypeError, match="`mode` must be 'reverse'"):
        derivative_along(polynomial, points(), points(), mode="taylor")
    with pytest.raises(ValueError, match="`net` must map each point by itself, got a BatchNorm1d"):
        derivative_along(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).double(), points(), points())
