"""Poisson's equation in five dimensions: Δu + π²/4 Σ sin(π x_i / 2) = 0 in a cube, u given on its sides."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import Box, PINNModule


class Poisson5D(PINNModule):
    domain = Box(*[(0, 1)] * 5, coordinates=("a", "b", "c", "d", "e"))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        inside, edge = points["interior"], points["boundary"]
        laplacian = sum(self.partials(inside, "aa", "bb", "cc", "dd", "ee"))
        return {"pde": laplacian + torch.pi**2 / 4 * self.exact(inside), "boundary": self(edge) - self.exact(edge)}

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(torch.pi * x / 2).sum(dim=1, keepdim=True)
