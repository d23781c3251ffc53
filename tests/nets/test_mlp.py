"""The plain network."""

from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

from lightning_autobalance.nets import MLP
from lightning_autobalance.nets.activations import ACTIVATIONS


def test_layers() -> None:
    net = MLP(2, 3, [5, 7], activation="silu")
    kinds = [type(layer).__name__ for layer in net]
    assert kinds == ["Linear", "SiLU", "Linear", "SiLU", "Linear"]
    assert net(torch.rand(4, 2)).shape == (4, 3)


def test_the_papers_network_has_its_parameters() -> None:
    assert sum(p.numel() for p in MLP(2, 1).parameters()) == 5301


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation: str) -> None:
    assert torch.isfinite(MLP(1, 1, [4], activation=activation)(torch.rand(3, 1))).all()


def test_glorot() -> None:
    torch.manual_seed(0)
    normal, uniform = MLP(300, 1, [500]), MLP(300, 1, [500], init="glorot_uniform")
    std = sqrt(2 / 800)
    assert normal[0].weight.std().item() == pytest.approx(std, rel=0.02)
    assert uniform[0].weight.std().item() == pytest.approx(std, rel=0.02)
    assert uniform[0].weight.abs().max().item() == pytest.approx(sqrt(6 / 800), rel=0.01)
    assert all(not layer.bias.any() for net in (normal, uniform) for layer in net if isinstance(layer, nn.Linear))


def test_default_init_is_torchs() -> None:
    torch.manual_seed(0)
    net = MLP(2, 1, [], init="default")
    torch.manual_seed(0)
    twin = nn.Linear(2, 1)
    assert torch.equal(net[0].weight, twin.weight)
    assert torch.equal(net[0].bias, twin.bias)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_features": 0}, r"must be >= 1, got \[0, 50, 50, 50, 1\]"),
        ({"hidden": [3, -1]}, r"must be >= 1, got \[2, 3, -1, 1\]"),
        ({"activation": "relu6"}, r"`activation` must be one of tanh, sin, .*, got 'relu6'"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(**options)
