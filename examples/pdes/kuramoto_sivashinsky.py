"""Kuramoto-Sivashinsky: u_t + 5 u u_x + 0.5 u_xx + 0.005 u_xxxx = 0 on a periodic interval."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Interval, PINNModule, TimeCylinder


class KuramotoSivashinsky(PINNModule):
    domain = TimeCylinder(Interval(-1, 1), (0, 0.2))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_t, u_x, u_xx, u_xxxx = self.partials(points["interior"], "", "t", "x", "xx", "xxxx")
        start = points["initial"]
        return {
            "pde": u_t + 5 * u * u_x + 0.5 * u_xx + 0.005 * u_xxxx,
            "initial": self(start) + torch.sin(torch.pi * start[:, :1]),
        }
