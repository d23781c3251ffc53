"""Steady flow in a channel that widens at a step."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Domain, Rectangle
from lightning_autobalance.problems.packaged import later, packaged


def _domain() -> Domain:
    step = Rectangle((0.0, 2.0), (1.0, 2.0)).named(bottom="lip", right="back")
    return (Rectangle((0.0, 4.0), (0.0, 2.0)) - step).named(left="inlet", right="outlet")


class BackwardFacingStep(PINNModule):
    r"""Steady incompressible flow at Re = 100 over a step, behind which it turns back.

    .. math:: (w \cdot \nabla) w = -\nabla p + 0.01 \Delta w, \quad \nabla \cdot w = 0, \quad w = (u, v)
        \quad\text{on } [0, 4] \times [0, 2] \setminus [0, 2] \times [1, 2]

    with w = (4y (1 - y), 0) at the inlet, x = 0, w = 0 at the walls, and p = 0 and v = 0 at the outlet, x = 4. The
    reference is a solution by finite differences of order 2; its pressure is infinite at the corner of the step, and v
    goes to zero in a thin layer before the outlet.

    Reference:
        PINNacle (Hao et al., 2024), NS 2d-CG without obstacles. It asks for p = 0 only at the outlet, which leaves the
        flow undetermined; here v = 0 there too, as in the file of its solution. That one also presses against fluid
        that comes back through the outlet: its pressure is lower everywhere, by about 0.02.
    """

    domain = later(_domain)
    fields = ("u", "v", "p")
    default_reference = packaged("backward_facing_step")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``momentum``, ``continuity``: the equations; ``inlet``, ``walls``: the velocity; ``outlet``: v and p."""
        w, w_x, w_y, laplacian = self.partials(points["interior"], "", "x", "y", "xx+yy")
        convection = w[:, :1] * w_x[:, :2] + w[:, 1:2] * w_y[:, :2]
        pressure_gradient = torch.stack([w_x[:, 2], w_y[:, 2]], dim=1)
        y = points["inlet"][:, 1:]
        walls = torch.cat([points[wall] for wall in ("bottom", "top", "lip", "back")])
        return {
            "momentum": convection + pressure_gradient - 0.01 * laplacian[:, :2],
            "continuity": w_x[:, 0] + w_y[:, 1],
            "inlet": self(points["inlet"])[:, :2] - torch.cat([4 * y * (1 - y), 0 * y], dim=1),
            "walls": self(walls)[:, :2],
            "outlet": self(points["outlet"])[:, 1:],
        }
