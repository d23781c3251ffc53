"""Korteweg-de Vries: u_t + 6 u u_x + u_xxx = 0, a soliton that crosses a periodic interval."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Interval, PINNModule, TimeCylinder


class KdV(PINNModule):
    domain = TimeCylinder(Interval(-10, 10), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_t, u_x, u_xxx = self.partials(points["interior"], "", "t", "x", "xxx")
        start = points["initial"]
        return {"pde": u_t + 6 * u * u_x + u_xxx, "initial": self(start) - self.exact(start)}

    def exact(self, x: Tensor) -> Tensor:
        return 1 / torch.cosh((x[:, :1] - 2 * x[:, 1:] + 1) / 2**0.5) ** 2  # periodic up to 2e-5
