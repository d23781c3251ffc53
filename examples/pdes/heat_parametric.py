"""u_t = ν u_xx for every ν from 0.01 to 1 at once: ν is an input of the network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Interval, ParameterRange, PINNModule, TimeCylinder


class HeatParametric(PINNModule):
    domain = TimeCylinder(Interval(0, 1), (0, 1)) * ParameterRange("nu", 0.01, 1, log=True)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_t, u_xx = self.partials(points["interior"], "t", "xx")
        nu = points["interior"][:, 2:]
        start = points["initial"]
        return {
            "pde": u_t - nu * u_xx,
            "boundary": self(points["boundary"]),
            "initial": self(start) - self.exact(start),
        }

    def exact(self, x: Tensor) -> Tensor:
        nu_t = x[:, 1:2] * x[:, 2:]
        return torch.exp(-(torch.pi**2) * nu_t) * torch.sin(torch.pi * x[:, :1])
