"""A heat equation that hardly conducts along the direction in which the temperature changes fast."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle, TimeCylinder
from lightning_autobalance.shapes import Fields, Points


class HeatMultiscale2D(PINNModule):
    r"""2-D heat equation with very different conductivities.

    .. math:: u_t = \frac{1}{(500 \pi)^2} u_{xx} + \frac{1}{\pi^2} u_{yy}, \quad
        u = \sin(20 \pi x) \sin(\pi y) e^{-1.0016 t} \quad\text{on } [0, 1]^2, t \in [0, 5]

    with u = 0 on the edge.

    Reference:
        PINNacle (Hao et al., 2024), Heat 2d-MS. It takes its errors at 8 by 8 points of space, on which
        :math:`\sin(20 \pi x)` looks like a wave of lower frequency; here they are taken at the points of ``data``.
    """

    domain = TimeCylinder(Rectangle((0.0, 1.0), (0.0, 1.0)), (0.0, 5.0))
    conductivities = (1 / (500 * pi) ** 2, 1 / pi**2)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``initial``: the start; ``boundary``: u on the edge."""
        u_t, u_xx, u_yy = self.partials(points["interior"], "t", "xx", "yy")
        along_x, along_y = self.conductivities
        return {
            "pde": u_t - along_x * u_xx - along_y * u_yy,
            "initial": self(points["initial"]) - self.exact(points["initial"]),
            "boundary": self(points["boundary"]),
        }

    def exact(self, x: Points) -> Fields:
        """One mode, which decays."""
        along_x, along_y = self.conductivities
        rate = (20 * pi) ** 2 * along_x + pi**2 * along_y
        return torch.sin(20 * pi * x[:, :1]) * torch.sin(pi * x[:, 1:2]) * torch.exp(-rate * x[:, 2:])
