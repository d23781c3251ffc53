"""Steady flow at Re = 100 in a square whose lid moves with 4x (1 - x); the pressure is 0 in a corner."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance import PINNModule, Rectangle


class LidDrivenCavity(PINNModule):
    domain = Rectangle((0, 1), (0, 1)).with_part("corner", (0.0, 0.0))
    fields = ("u", "v", "p")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        w, w_x, w_y, w_xx, w_yy = self.partials(points["interior"], "", "x", "y", "xx", "yy")
        convection = w[:, :1] * w_x[:, :2] + w[:, 1:2] * w_y[:, :2]
        pressure_gradient = torch.cat([w_x[:, 2:], w_y[:, 2:]], dim=1)
        x = points["top"][:, :1]
        return {
            "momentum": convection + pressure_gradient - 0.01 * (w_xx + w_yy)[:, :2],
            "continuity": w_x[:, :1] + w_y[:, 1:2],
            "lid": self(points["top"])[:, :2] - torch.cat([4 * x * (1 - x), 0 * x], dim=1),
            **{side: self(points[side])[:, :2] for side in ("left", "right", "bottom")},
            "pressure": self(points["corner"])[:, 2:],
        }
