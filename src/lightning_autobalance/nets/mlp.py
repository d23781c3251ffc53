"""The multilayer perceptron."""

from itertools import pairwise
from typing import Literal

from torch import nn

from lightning_autobalance.nets.activations import ACTIVATIONS


class MLP(nn.Sequential):
    """Linear layers with an activation between them.

    Args:
        in_features: Number of coordinates d.
        out_features: Number of fields k.
        hidden: Width of each hidden layer.
        activation: tanh, sin, silu, gelu, softplus or sigmoid.
        init: Initial weights: Glorot's normal or uniform distribution with zero biases, or torch's default.

    Raises:
        ValueError: If a size is not positive or a name is unknown.
    """

    def __init__(
        self,
        in_features: int = 2,
        out_features: int = 1,
        hidden: list[int] | None = None,
        activation: str = "tanh",
        init: Literal["glorot_normal", "glorot_uniform", "default"] = "glorot_normal",
    ) -> None:
        sizes = [in_features, *(hidden if hidden is not None else [50, 50, 50]), out_features]
        if any(size < 1 for size in sizes):
            raise ValueError(f"`in_features`, `hidden` and `out_features` must be >= 1, got {sizes}.")
        if activation not in ACTIVATIONS:
            raise ValueError(f"`activation` must be one of {', '.join(ACTIVATIONS)}, got {activation!r}.")
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(sizes):
            layers += [_initialised(nn.Linear(fan_in, fan_out), init), ACTIVATIONS[activation]()]
        super().__init__(*layers[:-1])


def _initialised(layer: nn.Linear, init: str) -> nn.Linear:
    draw = {"glorot_normal": nn.init.xavier_normal_, "glorot_uniform": nn.init.xavier_uniform_, "default": None}
    if init not in draw:
        raise ValueError(f"`init` must be one of {', '.join(draw)}, got {init!r}.")
    if (fill := draw[init]) is not None:
        fill(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer
