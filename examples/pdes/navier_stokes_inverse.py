"""u_t + λ u·∇u = -∇p + ν Δu: λ and ν from measured velocities, without any of the pressure."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance import Bounded, PINNModule, Rectangle, TimeCylinder


class NavierStokesInverse(PINNModule):
    domain = TimeCylinder(Rectangle((0, 3), (0, 3)), (0, 1))
    fields = ("u", "v", "p")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.convection, self.viscosity = Bounded(0.5), Bounded(0.5)  # the true values are 1 and 0.05

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        w, w_t, w_x, w_y, laplacian = self.partials(points["interior"], "", "t", "x", "y", "xx+yy")
        convection = w[:, :1] * w_x[:, :2] + w[:, 1:2] * w_y[:, :2]
        gradient = torch.stack([w_x[:, 2], w_y[:, 2]], dim=1)
        momentum = w_t[:, :2] + self.convection() * convection + gradient - self.viscosity() * laplacian[:, :2]
        data = self(points["data"])[:, :2] - points["data_targets"]
        return {"momentum": momentum, "continuity": w_x[:, 0] + w_y[:, 1], "data": data}
