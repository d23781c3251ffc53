"""Burgers' equation, whose wave becomes a steep front."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.problems.packaged import packaged


class Burgers1D(PINNModule):
    r"""Viscous Burgers' equation from a sine wave.

    .. math:: u_t + u u_x = \nu u_{xx} \quad\text{for } x \in [-1, 1], t \in [0, 1], \quad \nu = 0.01 / \pi

    with :math:`u = -\sin(\pi x)` at t = 0 and u = 0 at both ends. The reference is the solution by Cole and Hopf.

    Reference:
        PINNacle (Hao et al., 2024), Burgers 1d-C; Basdevant et al., 1986. PINNacle's file of the solution is off by
        1.3 % at its own points, so errors below that are not seen with it; ours is not.
    """

    domain = TimeCylinder(Interval(-1.0, 1.0), (0.0, 1.0))
    default_reference = packaged("burgers_1d")
    viscosity = 0.01 / pi

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``initial``: the start; ``boundary``: u at both ends."""
        u, u_t, u_x, u_xx = self.partials(points["interior"], "", "t", "x", "xx")
        start = points["initial"]
        return {
            "pde": u_t + u * u_x - self.viscosity * u_xx,
            "initial": self(start) + torch.sin(pi * start[:, :1]),
            "boundary": self(points["boundary"]),
        }
