"""What every network keeps to: both modes, copies, checkpoints, precision, a run of Lightning."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lightning_autobalance.nets as room
from helpers.toys import Poisson2D, fit
from lightning_autobalance.derivatives import partials, supports_taylor
from lightning_autobalance.nets import (
    MLP,
    FourierFeatures,
    FuzzyNet,
    ModifiedMLP,
    Parallel,
    Periodic,
    Transformed,
    ZeroAtStart,
    ZeroOnEdge,
)

BOX = [(-1.0, 3.0), (0.0, 2.0)]
NAMES = ("", "x", "xx", "xx+yy", "xyy", "xxx+yyy")


def wave(x: Tensor) -> Tensor:
    return torch.sin(x[:, :1]) * torch.exp(x[:, 1:])


class Waves(nn.Module):
    """A factor of two columns without a method `taylor`."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(x)


NETS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: MLP(2, 1, [5, 4]),
    "fuzzy": lambda: FuzzyNet(2, 1, [5, 4], 3, 3),
    "fuzzy, official": lambda: FuzzyNet(2, 2, [5], 3, 4, "official"),
    "fuzzy, scaled": lambda: FuzzyNet(2, 1, [5], 3, 2, bounds=BOX),
    "fourier": lambda: FourierFeatures(2, 1, [5], [0.3, 0.1], 2),
    "modified": lambda: ModifiedMLP(2, 1, [5, 5, 5]),
    "modified, two fields": lambda: ModifiedMLP(2, 2, [4], "sin"),
    "zero on edge": lambda: Transformed(MLP(2, 2, [5]), ZeroOnEdge(BOX)),
    "by functions": lambda: Transformed(MLP(2, 1, [5]), wave, wave),
    "by a module": lambda: Transformed(MLP(2, 1, [5]), Waves(), wave),
    "nested": lambda: Transformed(Transformed(FuzzyNet(2, 1, [4], 3), ZeroOnEdge(BOX[:1])), ZeroAtStart(0, 2), wave),
    "periodic": lambda: Periodic(MLP(5, 1, [5, 4]), [1.0, None], 2),
    "periodic, modified": lambda: Periodic(ModifiedMLP(4, 1, [4, 4]), [1.0, 0.5]),
    "zero on edge of periodic": lambda: Transformed(
        Periodic(FourierFeatures(3, 1, [5], [0.3], 2), [None, 1.0]), ZeroOnEdge(BOX[:1])
    ),
    "parallel": lambda: Parallel([FuzzyNet(2, 1, [4], 3), Transformed(MLP(2, 1, [4]), offset=wave)]),
    "inside a chain": lambda: nn.Sequential(nn.Linear(2, 2), ModifiedMLP(2, 2, [4, 4]), FuzzyNet(2, 2, [4]), nn.Tanh()),
    "last in a chain": lambda: nn.Sequential(
        nn.Linear(2, 2), nn.Sequential(nn.Tanh(), FuzzyNet(2, 2, [4])), nn.Linear(2, 1)
    ),
}


@pytest.fixture(params=NETS, ids=str)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    made = NETS[request.param]().double()
    for p in made.parameters():
        p.data += 0.3 * torch.randn_like(p)  # off the zero biases and equal widths of the start
    return made


def points(count: int = 6) -> Tensor:
    return torch.randn(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_every_network_is_here() -> None:
    used = {type(module).__name__ for make in NETS.values() for module in make().modules()}
    assert set(room.__all__) <= used


@pytest.mark.parametrize("asked", [NAMES, NAMES[:4], ("xx+yy",), ("xyy",), ("",)], ids=str)
def test_modes_agree_and_so_do_their_gradients(net: nn.Module, asked: tuple[str, ...]) -> None:
    assert supports_taylor(net)
    found = []
    for mode in ("taylor", "reverse"):
        x = points().requires_grad_()
        fields = partials(net, x, *asked, mode=mode)  # type: ignore[arg-type]
        residual = torch.stack([f.square().sum() for f in fields]).sum()
        (by_x,) = torch.autograd.grad(residual, x, create_graph=True)
        loss = residual + by_x.square().sum()  # what gPINN takes
        found.append([*fields, by_x, *torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_field_is_the_forward_pass(net: nn.Module) -> None:
    torch.testing.assert_close(partials(net, points(), "", "xx")[0], net(points()), rtol=1e-13, atol=1e-13)


def test_copies_and_checkpoints_give_the_same(net: nn.Module, request: pytest.FixtureRequest) -> None:
    x = points()
    twins = [copy.deepcopy(net), pickle.loads(pickle.dumps(net)), NETS[request.node.callspec.params["net"]]().double()]
    assert not torch.equal(twins[2](x), net(x))
    twins[2].load_state_dict(net.state_dict())
    for twin in twins:
        assert torch.equal(twin(x), net(x))
        assert torch.equal(partials(twin, x, "xx+yy")[0], partials(net, x, "xx+yy")[0])


def test_without_gradients(net: nn.Module) -> None:
    expected = partials(net, points(), "", "xx+yy", mode="taylor")
    with torch.inference_mode():
        inside = partials(net, points(), "", "xx+yy", mode="taylor")
    for a, b in zip(expected, inside, strict=True):
        assert not b.requires_grad
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


def test_float32_agrees_with_float64(net: nn.Module) -> None:
    exact = partials(net, points(), "", "xx+yy")
    for a, b in zip(partials(net.float(), points().float(), "", "xx+yy"), exact, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-3)


ONE_FIELD = [
    name for name in NETS if name not in ("fuzzy, official", "modified, two fields", "zero on edge", "parallel")
]


@pytest.mark.parametrize("name", [name for name in ONE_FIELD if "by" not in name and "chain" not in name])
def test_a_run_of_lightning(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Poisson2D(net=NETS[name]())
    before = copy.deepcopy(module.net.state_dict())
    x = module.grid(5)
    start = module(x)
    trainer: Any = fit(module, tmp_path, max_steps=3)
    assert trainer.global_step == 3
    assert module.derivative_mode == "taylor"
    assert not torch.equal(module(x), start)
    trained = {key for key, value in module.net.state_dict().items() if not torch.equal(value, before[key])}
    assert trained == {key for key, _ in module.net.named_parameters()}
