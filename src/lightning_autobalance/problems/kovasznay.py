"""Kovasznay's flow behind a grid."""

from collections.abc import Mapping
from math import pi
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle
from lightning_autobalance.shapes import Fields, Points


class Kovasznay(PINNModule):
    r"""Steady Navier-Stokes equations with Kovasznay's solution, the wake of a two-dimensional grid.

    .. math:: (w \cdot \nabla) w = -\nabla p + \frac{1}{Re} \Delta w, \quad \nabla \cdot w = 0, \quad w = (u, v)

    .. math:: u = 1 - e^{\lambda x} \cos 2 \pi y, \quad v = \frac{\lambda}{2 \pi} e^{\lambda x} \sin 2 \pi y,
        \quad p = \frac{1 - e^{2 \lambda x}}{2}, \quad \lambda = \frac{Re}{2} - \sqrt{\frac{Re^2}{4} + 4 \pi^2}

    on :math:`[-0.5, 1] \times [-0.5, 1.5]`.

    Args:
        reynolds: Re, > 0.
        **kwargs: Arguments of ``PINNModule``.

    Reference:
        Kovasznay, 1948, "Laminar flow behind a two-dimensional grid"; as a PINN, Jin et al., 2021 (NSFnets), section
        3.1, at Re = 40; and DeepXDE's example, which has this Re, this domain and these conditions.
    """

    domain = Rectangle((-0.5, 1.0), (-0.5, 1.5))
    fields = ("u", "v", "p")

    def __init__(self, reynolds: float = 20.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reynolds = reynolds

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``momentum`` and ``continuity`` inside; ``velocity`` on the boundary, ``pressure`` at the outlet."""
        w, w_x, w_y, laplacian = self.partials(points["interior"], "", "x", "y", "xx+yy")
        convection = w[:, :1] * w_x[:, :2] + w[:, 1:2] * w_y[:, :2]
        gradient = torch.stack([w_x[:, 2], w_y[:, 2]], dim=1)
        edge, outlet = points["boundary"], points["right"]
        return {
            "momentum": convection + gradient - laplacian[:, :2] / self.reynolds,
            "continuity": w_x[:, :1] + w_y[:, 1:2],
            "velocity": (self(edge) - self.exact(edge))[:, :2],
            "pressure": (self(outlet) - self.exact(outlet))[:, 2:],
        }

    def exact(self, x: Points) -> Fields:
        """Velocity and pressure."""
        rate = self.reynolds / 2 - (self.reynolds**2 / 4 + 4 * pi**2) ** 0.5
        decay, phase = torch.exp(rate * x[:, :1]), 2 * pi * x[:, 1:]
        u, v = 1 - decay * torch.cos(phase), rate / (2 * pi) * decay * torch.sin(phase)
        return torch.cat([u, v, (1 - decay**2) / 2], dim=1)
