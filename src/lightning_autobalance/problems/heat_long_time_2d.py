"""A heat equation with a reaction, over a long time."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle, TimeCylinder
from lightning_autobalance.problems.packaged import packaged


class HeatLongTime2D(PINNModule):
    r"""2-D heat equation with a reaction that changes its sign, over twelve of its periods.

    .. math:: u_t = 0.001 (u_{xx} + u_{yy}) + 5 \sin(u^2) (1 + 2 \sin(\pi t / 4)) \sin(4 \pi x) \sin(2 \pi y)

    on :math:`[0, 1]^2`, :math:`t \in [0, 100]`, with :math:`u = \sin(4 \pi x) \sin(3 \pi y)` at t = 0 and u = 0 on the
    edge. The reference is a spectral solution.

    Reference:
        PINNacle (Hao et al., 2024), Heat 2d-LT. The file of its solution is 3.5 % from a converged one.
    """

    domain = TimeCylinder(Rectangle((0.0, 1.0), (0.0, 1.0)), (0.0, 100.0))
    default_reference = packaged("heat_long_time_2d")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``initial``: the start; ``boundary``: u on the edge."""
        place, start = points["interior"], points["initial"]
        u, u_t, laplacian = self.partials(place, "", "t", "xx+yy")
        x, y, t = place.split(1, dim=1)
        shape = torch.sin(4 * pi * x) * torch.sin(2 * pi * y)
        reaction = 5 * torch.sin(u**2) * (1 + 2 * torch.sin(pi * t / 4)) * shape
        return {
            "pde": u_t - 0.001 * laplacian - reaction,
            "initial": self(start) - torch.sin(4 * pi * start[:, :1]) * torch.sin(3 * pi * start[:, 1:2]),
            "boundary": self(points["boundary"]),
        }
