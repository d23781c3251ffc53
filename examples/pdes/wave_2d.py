"""u_tt = Δu on the unit square, u = 0 on its edge, released from sin(πx) sin(πy) with that velocity."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import PINNModule, Rectangle, TimeCylinder

OMEGA = 2**0.5 * torch.pi


class Wave2D(PINNModule):
    domain = TimeCylinder(Rectangle((0, 1), (0, 1)), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_tt, u_xx, u_yy = self.partials(points["interior"], "tt", "xx", "yy")
        u, u_t = self.partials(points["initial"], "", "t")
        shape = self.exact(points["initial"])
        return {
            "pde": u_tt - u_xx - u_yy,
            "boundary": self(points["boundary"]),
            "start": u - shape,
            "velocity": u_t - shape,
        }

    def exact(self, x: Tensor) -> Tensor:
        t = OMEGA * x[:, 2:]
        return torch.sin(torch.pi * x[:, :2]).prod(dim=1, keepdim=True) * (torch.cos(t) + torch.sin(t) / OMEGA)
