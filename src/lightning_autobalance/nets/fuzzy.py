"""A network with fuzzy rules beside its layers."""

from math import sqrt
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_autobalance.nets.activations import Exp, Square
from lightning_autobalance.nets.boxes import ToCube
from lightning_autobalance.nets.mlp import MLP
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least

RuleLayout = Literal["intended", "official"]


class FuzzyRules(nn.Module):
    r"""Fuzzy rules, each a product of one Gaussian membership per coordinate.

    .. math:: \phi_r(x) = \prod_{i=1}^d \exp\left(-\frac{(x_i - \mu_{ri})^2}{\sigma_{ri}^2}\right)

    The logarithms of the widths are learned, hence no width can become 0; they start at 0, the widths at 1. The centres
    start uniform in :math:`\pm\sqrt{6 / (d R + 1)}`.

    Args:
        in_features: Number of coordinates d.
        rules: Number of rules R.
        layout: "intended", the formula above, or "official", the one of the authors' program: slot j of the d R slots
            holds coordinate j mod d and belongs to rule j mod R. With two coordinates and an even R, every rule then
            knows one coordinate only.

    Raises:
        ValueError: If a size is not positive or the layout is unknown.

    Reference:
        Wu, 2025 (DF-PINN), and the authors' program FPINNs.
    """

    slots: Tensor
    members: Tensor

    def __init__(self, in_features: int = 2, rules: int = 4, layout: RuleLayout = "intended") -> None:
        super().__init__()
        for name, size in {"in_features": in_features, "rules": rules}.items():
            check_at_least(name, size, 1)
        if layout not in ("intended", "official"):
            raise ValueError(f"`layout` must be 'intended' or 'official', got {layout!r}.")
        count = in_features * rules
        self.centers = nn.Parameter(torch.empty(count).uniform_(-sqrt(6 / (count + 1)), sqrt(6 / (count + 1))))
        self.log_widths = nn.Parameter(torch.zeros(count))
        slot = torch.arange(count)
        rule = slot // in_features if layout == "intended" else slot % rules
        self.register_buffer("slots", torch.eye(in_features)[slot % in_features], persistent=False)  # (d R, d)
        self.register_buffer("members", -torch.eye(rules)[rule].T, persistent=False)  # (R, d R)
        self.square, self.exp = Square(), Exp()

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to the rules' values in (0, 1], (b, R)."""
        z = nn.functional.linear(x, *self._memberships())
        rules: Tensor = self.exp(self.square(z) @ self.members.T)
        return rules

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        squares = jet.linear(*self._memberships(), self.square)
        return squares.linear(self.members, None, self.exp, drop_firsts=jet.drop_firsts)

    def _memberships(self) -> tuple[Tensor, Tensor]:
        """Weight and bias that give (x - center) / width in every slot."""
        per_width = torch.exp(-self.log_widths)
        return self.slots * per_width[:, None], -self.centers * per_width


class FuzzyNet(nn.Module):
    r"""The network of DF-PINN: tanh layers and fuzzy rules side by side, joined by a linear layer.

    .. math:: u(x) = W\,[h(x), \phi(x)] + b

    h is a tanh network with tanh after every layer, its narrow head too; :math:`\phi` are `FuzzyRules`.

    Args:
        in_features: Number of coordinates d.
        out_features: Number of fields k.
        hidden: Width of each hidden layer.
        head: Width of the last tanh layer.
        rules: Number of rules R.
        layout: Which memberships a rule multiplies, see `FuzzyRules`.
        bounds: (low, high) per coordinate, scaled to [-1, 1]; coordinates are not scaled where None. Rules start with
            widths of 1 and centres near 0, so scale coordinates of another size.
        init: Initial weights: Glorot's normal or uniform distribution with zero biases, or torch's default.

    Raises:
        ValueError: If a size is not positive, a name not known, or there are not as many bounds as coordinates.

    Reference:
        Wu, 2025 (DF-PINN), and the authors' program FPINNs.

    Note:
        The authors use four hidden layers of 200 and torch's default initial weights. Their rules have the layout
        "official", and their widths can reach 0.
    """

    def __init__(
        self,
        in_features: int = 2,
        out_features: int = 1,
        hidden: list[int] | None = None,
        head: int = 10,
        rules: int = 4,
        layout: RuleLayout = "intended",
        bounds: list[tuple[float, float]] | None = None,
        init: Literal["glorot_normal", "glorot_uniform", "default"] = "glorot_normal",
    ) -> None:
        super().__init__()
        check_at_least("head", head, 1)
        if bounds is not None and len(bounds) != in_features:
            raise ValueError(f"`bounds` must be {in_features} pairs, one per coordinate, got {len(bounds)}.")
        self.scale = nn.Identity() if bounds is None else ToCube(bounds)
        self.trunk = nn.Sequential(*MLP(in_features, head, hidden, init=init), nn.Tanh())
        self.rules = FuzzyRules(in_features, rules, layout)
        self.last = MLP(head + rules, out_features, [], init=init)

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to fields, (b, k)."""
        x = self.scale(x)
        fields: Tensor = self.last(torch.cat([self.trunk(x), self.rules(x)], dim=1))
        return fields

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        scaled = jet.through(self.scale)
        parts = [scaled.through(part, drop_firsts=jet.drop_firsts) for part in (self.trunk, self.rules)]
        return jet.joined(parts).through(self.last)
