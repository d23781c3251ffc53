"""Lorenz's x' = σ (y - x), y' = x (ρ - z) - y, z' = x y - β z: σ, ρ and β from 60 measured states."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance import Bounded, Box, PINNModule


class Lorenz(PINNModule):
    domain = Box((0, 3), coordinates=("t",))
    fields = ("x", "y", "z")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sigma, self.rho, self.beta = Bounded(5.0), Bounded(5.0), Bounded(5.0)  # the true values are 10, 15, 8/3

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        s, s_t = self.partials(points["interior"], "", "t")
        x, y, z = s.T
        right = torch.stack([self.sigma() * (y - x), x * (self.rho() - z) - y, x * y - self.beta() * z], dim=1)
        return {"ode": s_t - right, "data": self(points["data"]) - points["data_targets"]}
