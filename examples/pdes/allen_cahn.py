"""u_t = 0.001 u_xx + 5 (u - u³) on a periodic interval; the network is periodic by itself."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Interval, PINNModule, TimeCylinder


class AllenCahn(PINNModule):
    domain = TimeCylinder(Interval(-1, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_t, u_xx = self.partials(points["interior"], "", "t", "xx")
        x = points["initial"][:, :1]
        return {
            "pde": u_t - 0.001 * u_xx - 5 * (u - u**3),
            "initial": self(points["initial"]) - x**2 * torch.cos(torch.pi * x),
        }
