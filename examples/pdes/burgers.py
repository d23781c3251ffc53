"""u_t + u u_x = 0.01/π u_xx: a wave that becomes a steep front."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Interval, PINNModule, TimeCylinder


class Burgers(PINNModule):
    domain = TimeCylinder(Interval(-1, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_t, u_x, u_xx = self.partials(points["interior"], "", "t", "x", "xx")
        start = points["initial"]
        return {
            "pde": u_t + u * u_x - 0.01 / torch.pi * u_xx,
            "initial": self(start) + torch.sin(torch.pi * start[:, :1]),
            "boundary": self(points["boundary"]),
        }
