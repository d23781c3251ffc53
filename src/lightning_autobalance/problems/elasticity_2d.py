"""A loaded elastic plate in plane strain."""

from collections.abc import Mapping
from math import pi
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle
from lightning_autobalance.shapes import Fields, Points


class Elasticity2D(PINNModule):
    r"""Linear elasticity in plane strain on the unit square, with a manufactured body force.

    .. math:: (\lambda + \mu) \nabla (\nabla \cdot w) + \mu \Delta w + f = 0, \quad w = (u, v)

    .. math:: u = \cos(2 \pi x) \sin(\pi y), \quad v = \frac{Q}{4} y^4 \sin(\pi x)

    It is held at the bottom, slides on rollers at the other sides, and is pulled at the top by
    :math:`\sigma_{yy} = (\lambda + 2 \mu) Q \sin(\pi x)`.

    Args:
        lame: :math:`\lambda`.
        shear: :math:`\mu`.
        load: Q.
        **kwargs: Arguments of ``PINNModule``.

    Reference:
        Haghighat et al., 2021 (Comput. Methods Appl. Mech. Eng. 379), section 4.1.

    Note:
        There the stresses are fields of further networks; here displacements are the only ones.
    """

    domain = Rectangle((0.0, 1.0), (0.0, 1.0))
    fields = ("u", "v")

    def __init__(self, lame: float = 1.0, shear: float = 0.5, load: float = 4.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lame = lame
        self.shear = shear
        self.load = load

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``equilibrium`` inside; ``held`` and ``rollers``: displacements; ``sides`` and ``pulled``: normal stress."""
        sides = torch.cat([points["left"], points["right"]])
        top = points["top"]
        pull = (self.lame + 2 * self.shear) * self.load * torch.sin(pi * top[:, :1])
        return {
            "equilibrium": self._force(points["interior"]) + self.body_force(points["interior"]),
            "held": self(points["bottom"]),
            "rollers": torch.cat([self(sides)[:, 1:], self(top)[:, :1]]),
            "sides": self._normal_stress(sides, 0),
            "pulled": self._normal_stress(top, 1) - pull,
        }

    def _force(self, x: Points) -> Tensor:
        """The divergence of the stress, (b, 2)."""
        w_xx, w_yy, w_xy = self.partials(x, "xx", "yy", "xy")
        of_divergence = torch.stack([w_xx[:, 0] + w_xy[:, 1], w_xy[:, 0] + w_yy[:, 1]], dim=1)
        return (self.lame + self.shear) * of_divergence + self.shear * (w_xx + w_yy)

    def _normal_stress(self, x: Points, axis: int) -> Tensor:
        w_x, w_y = self.partials(x, "x", "y")
        strains = w_x[:, :1], w_y[:, 1:]
        return self.lame * (strains[0] + strains[1]) + 2 * self.shear * strains[axis]

    def body_force(self, x: Points) -> Tensor:
        """The force f, (b, 2)."""
        (sx, _), (cx, cy) = torch.sin(pi * x).unbind(1), torch.cos(pi * x).unbind(1)
        y, stiff, both = x[:, 1], self.lame + 2 * self.shear, self.lame + self.shear
        u, v = self.exact(x).unbind(1)
        along_x = pi**2 * (4 * stiff + self.shear) * u - both * pi * self.load * cx * y**3
        along_y = pi**2 * self.shear * v - 3 * stiff * self.load * y**2 * sx + 4 * both * pi**2 * sx * cx * cy
        return torch.stack([along_x, along_y], dim=1)

    def exact(self, x: Points) -> Fields:
        """The displacements."""
        u = torch.cos(2 * pi * x[:, :1]) * torch.sin(pi * x[:, 1:])
        return torch.cat([u, self.load / 4 * x[:, 1:] ** 4 * torch.sin(pi * x[:, :1])], dim=1)
