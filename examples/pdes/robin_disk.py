"""-Δu = f on the unit disk with the Robin condition du/dn + u = g on its edge."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Disk, PINNModule


class RobinDisk(PINNModule):
    domain = Disk((0, 0), 1)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        inside, edge = points["interior"], points["boundary"]
        u_xx, u_yy = self.partials(inside, "xx", "yy")
        x, y = edge[:, :1], edge[:, 1:]
        g = y * (2 * torch.sin(torch.pi * x) + torch.pi * x * torch.cos(torch.pi * x))
        return {
            "pde": u_xx + u_yy + torch.pi**2 * self.exact(inside),
            "robin": self.normal_derivative(edge) + self(edge) - g,
        }

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(torch.pi * x[:, :1]) * x[:, 1:]
