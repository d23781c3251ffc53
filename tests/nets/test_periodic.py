"""Periodic coordinates: waves by hand, periods of values and derivatives, refusals."""

from math import pi
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import partials
from lightning_autobalance.nets import MLP, FourierFeatures, ModifiedMLP, Periodic, Transformed, ZeroAtStart

MODES = ("taylor", "reverse")


class Seen(nn.Module):
    """Gives what it gets."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_the_waves_by_hand() -> None:
    x = torch.tensor([[0.5, 7.0, 1.0], [2.0, 8.0, 0.25]], dtype=torch.float64)
    found = Periodic(Seen(), [2.0, None, 1.0], harmonics=2)(x)
    half = [[0, -1, 1, 1, 1, 0, 0, 0, 7], [1, 1, 0, -1, 0, 0, 1, 0, 8]]
    torch.testing.assert_close(found, torch.tensor(half, dtype=torch.float64), rtol=0, atol=1e-14)


NETS: dict[str, Any] = {
    "mlp": lambda: Periodic(MLP(5, 2, [6, 6]), [2.0, None], 2),
    "fourier": lambda: Periodic(FourierFeatures(3, 1, [6], waves=3), [2.0, None]),
    "modified": lambda: Periodic(ModifiedMLP(3, 1, [6, 6]), [2.0, None]),
    "hard": lambda: Transformed(Periodic(MLP(3, 1, [6]), [2.0, None]), ZeroAtStart()),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NETS)
def test_values_and_derivatives_are_periodic(name: str, mode: Any) -> None:
    torch.manual_seed(0)
    net = NETS[name]().double()
    x = torch.randn(5, 2, dtype=torch.float64)
    names = ("", "x", "y", "xx", "xy", "xxx")
    here, there = (partials(net, x + torch.tensor([shift, 0.0]), *names, mode=mode) for shift in (0.0, 4.0))
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    (half,) = partials(net, x + torch.tensor([1.0, 0.0]), "", mode=mode)
    assert (half - here[0]).abs().max() > 1e-3


def test_a_network_made_in_float32_is_exact_in_float64() -> None:
    net = Periodic(Seen(), [2 * pi]).double()
    x = torch.tensor([[1e-3]], dtype=torch.float64)
    assert torch.equal(net(x), torch.cat([torch.cos(x), torch.sin(x)], dim=1))
    assert not net.state_dict()


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (Seen(), {"periods": [None, None]}, r"`periods` must be numbers > 0, or None, by coordinate, got \[None, None"),
        (Seen(), {"periods": []}, "`periods` must be numbers > 0"),
        (Seen(), {"periods": [1.0, -2.0]}, "`periods` must be numbers > 0"),
        (Seen(), {"periods": [float("nan")]}, "`periods` must be numbers > 0"),
        (Seen(), {"periods": [1.0], "harmonics": 0}, "`harmonics` must be >= 1, got 0"),
        (MLP(2, 1), {"periods": [1.0, None]}, "`net` must take 3 inputs, the waves and the other coordinates: mat1"),
    ],
)
def test_bad_arguments(net: nn.Module, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Periodic(net, **options)


@pytest.mark.parametrize("mode", MODES)
def test_another_number_of_coordinates(mode: Any) -> None:
    with pytest.raises(ValueError, match="`periods` must be one by coordinate, 3, got 2"):
        partials(Periodic(MLP(3, 1), [1.0, None]), torch.rand(4, 3), "", mode=mode)
