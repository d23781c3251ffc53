"""A network whose layers are gated by two encoders."""

from collections.abc import Iterable
from typing import Any, Literal

from torch import Tensor, nn

from lightning_autobalance.nets.mlp import MLP
from lightning_autobalance.shapes import Fields, Points


class ModifiedMLP(nn.Module):
    r"""A plain network in which every hidden layer but the first mixes two encodings of the coordinates.

    .. math:: U = \sigma(W_U x + b_U), \quad V = \sigma(W_V x + b_V), \quad h_1 = \sigma(W_1 x + b_1)

    .. math:: Z_l = \sigma(W_l h_{l-1} + b_l), \quad h_l = (1 - Z_l) \odot U + Z_l \odot V, \quad u = W h_L + b

    Args:
        in_features: Number of coordinates d.
        out_features: Number of fields k.
        hidden: Width of each hidden layer, all the same: first that of h_1, then those of the gates.
        activation: As in `MLP`.
        init: As in `MLP`.

    Raises:
        ValueError: If the widths differ, there are none, a size is not positive or a name is unknown.

    Reference:
        Wang, Teng, Perdikaris, 2021 (SIAM J. Sci. Comput. 43), section 2.6.
    """

    def __init__(
        self,
        in_features: int = 2,
        out_features: int = 1,
        hidden: list[int] | None = None,
        activation: str = "tanh",
        init: Literal["glorot_normal", "glorot_uniform", "default"] = "glorot_normal",
    ) -> None:
        super().__init__()
        hidden = hidden if hidden is not None else [50, 50, 50]
        if len(set(hidden)) != 1:
            raise ValueError(f"`hidden` must be one or more equal widths, got {hidden}: the layers are mixed.")
        *layers, self.last = MLP(in_features, out_features, hidden, activation, init)
        encoders = [list(MLP(in_features, 1, hidden[:1], activation, init))[:2] for _ in range(2)]
        self.first_encoder, self.second_encoder = (nn.Sequential(*encoder) for encoder in encoders)
        self.first, *gates = (nn.Sequential(*layers[i : i + 2]) for i in range(0, len(layers), 2))
        self.gates: Iterable[nn.Module] = nn.ModuleList(gates)

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to fields, (b, k)."""
        u, h = self.first_encoder(x), self.first(x)
        difference = self.second_encoder(x) - u
        for gate in self.gates:
            h = u + gate(h) * difference
        fields: Tensor = self.last(h)
        return fields

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        u, h = jet.through(self.first_encoder), jet.through(self.first)
        difference = jet.through(self.second_encoder).minus(u)
        for gate in self.gates:
            h = u.plus(h.through(gate).times(difference))
        return h.through(self.last)
