"""Steady flow in a square with a moving lid."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle
from lightning_autobalance.problems.packaged import packaged


class LidDrivenCavity(PINNModule):
    r"""Steady incompressible flow at Re = 100 in a square whose lid moves with 4x (1 - x).

    .. math:: (w \cdot \nabla) w = -\nabla p + 0.01 \Delta w, \quad \nabla \cdot w = 0, \quad w = (u, v)
        \quad\text{on } [0, 1]^2

    with w = 0 on the other three sides and p = 0 at the corner (0, 0). The reference is found by collocation of the
    stream function; its pressure is the least accurate, with a logarithmic singularity in both upper corners.

    Reference:
        PINNacle (Hao et al., 2024), NS 2d-C with its a = 4. Its error is one over all three fields: look at
        ``val/rel_l2/u``, ``val/rel_l2/v`` and ``val/rel_l2/p``.
    """

    domain = Rectangle((0.0, 1.0), (0.0, 1.0)).with_part("corner", (0.0, 0.0))
    fields = ("u", "v", "p")
    default_reference = packaged("lid_driven_cavity")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``momentum``, ``continuity``: equations; then the velocity on each side, and ``pressure`` in the corner."""
        w, w_x, w_y, laplacian = self.partials(points["interior"], "", "x", "y", "xx+yy")
        convection = w[:, :1] * w_x[:, :2] + w[:, 1:2] * w_y[:, :2]
        pressure_gradient = torch.stack([w_x[:, 2], w_y[:, 2]], dim=1)
        x = points["top"][:, :1]
        return {
            "momentum": convection + pressure_gradient - 0.01 * laplacian[:, :2],
            "continuity": w_x[:, 0] + w_y[:, 1],
            "lid": self(points["top"])[:, :2] - torch.cat([4 * x * (1 - x), 0 * x], dim=1),
            **{side: self(points[side])[:, :2] for side in ("left", "right", "bottom")},
            "pressure": self(points["corner"])[:, 2:],
        }
