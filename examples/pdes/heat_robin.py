"""u_t = u_xx, insulated at the left end, losing heat at the right one: u_x = 0 and u_x + u = 0."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Interval, PINNModule, TimeCylinder

BETA = 0.8603335890193798  # the smallest root of β tan β = 1


class HeatRobin(PINNModule):
    domain = TimeCylinder(Interval(0, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_t, u_xx = self.partials(points["interior"], "t", "xx")
        return {
            "pde": u_t - u_xx,
            "insulated": self.normal_derivative(points["left"], "left"),
            "cooled": self.normal_derivative(points["right"], "right") + self(points["right"]),
            "initial": self(points["initial"]) - self.exact(points["initial"]),
        }

    def exact(self, x: Tensor) -> Tensor:
        return torch.exp(-(BETA**2) * x[:, 1:]) * torch.cos(BETA * x[:, :1])
