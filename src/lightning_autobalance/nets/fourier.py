"""Random Fourier features before a network."""

from math import pi
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_autobalance.nets.activations import CosSin
from lightning_autobalance.nets.mlp import MLP
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class FourierFeatures(nn.Module):
    r"""A plain network behind cosines and sines of random waves, which learns high frequencies sooner.

    .. math:: u(x) = \text{MLP}\left([\cos(2 \pi B x), \sin(2 \pi B x)]\right), \quad B_{ij} \sim N(0, s^2)

    B is drawn once, is not trained, and is saved in checkpoints. With several scales s the features of each stand side
    by side before the one network. A scale of s reaches frequencies of about s periods per unit of length.

    Args:
        in_features: Number of coordinates d.
        out_features: Number of fields k.
        hidden: Width of each hidden layer.
        scales: Standard deviations s, in periods per unit of length; by default 1.
        waves: Number of waves of each scale, each with a cosine and a sine.
        activation: That of the network, as in `MLP`.
        init: That of the network, as in `MLP`.

    Raises:
        ValueError: If a size or a scale is not positive, or a name is unknown.

    Reference:
        Tancik et al., 2020 (NeurIPS), with their factor of 2 pi; several scales: Wang, Wang, Perdikaris, 2021 (CMAME).

    Note:
        Wang, Wang and Perdikaris pass the features of each scale through the same layers one by one and join them
        before the last layer; here all enter the first. jaxpi leaves out the factor: its scale is 2 pi times this one.
    """

    frequencies: Tensor

    def __init__(
        self,
        in_features: int = 2,
        out_features: int = 1,
        hidden: list[int] | None = None,
        scales: list[float] | None = None,
        waves: int = 25,
        activation: str = "tanh",
        init: Literal["glorot_normal", "glorot_uniform", "default"] = "glorot_normal",
    ) -> None:
        super().__init__()
        scales = scales if scales is not None else [1.0]
        if not scales or any(not scale > 0 for scale in scales):
            raise ValueError(f"`scales` must be one or more numbers > 0, got {scales}.")
        for name, size in {"in_features": in_features, "waves": waves}.items():
            check_at_least(name, size, 1)
        frequencies = torch.cat([scale * torch.randn(waves, in_features) for scale in scales])
        self.register_buffer("frequencies", frequencies)
        self.cos_sin = CosSin()
        self.net = MLP(2 * len(frequencies), out_features, hidden, activation, init)

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to fields, (b, k)."""
        fields: Tensor = self.net(self.cos_sin(x @ self._weight().T))
        return fields

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        return jet.linear(self._weight(), None, self.cos_sin).through(self.net, drop_firsts=jet.drop_firsts)

    def _weight(self) -> Tensor:
        return 2 * pi * torch.cat([self.frequencies, self.frequencies])
