"""A new PDE: -Δu = f on the unit square, u = 0 on its edge.

Train it with: lightning fit --config examples/poisson_2d.yaml
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import PINNModule, Rectangle


class Poisson2D(PINNModule):
    domain = Rectangle((0, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_xx, u_yy = self.partials(points["interior"], "xx", "yy")
        source = 2 * torch.pi**2 * self.exact(points["interior"])
        return {"pde": u_xx + u_yy + source, "boundary": self(points["boundary"])}

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(torch.pi * x[:, :1]) * torch.sin(torch.pi * x[:, 1:])
