"""The heat equation on a ball in many dimensions."""

from collections.abc import Mapping
from string import ascii_lowercase
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Ball, TimeCylinder
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class HeatND(PINNModule):
    r"""Heat equation on the unit ball of any dimension, with a flux through the sphere.

    .. math:: u_t = \frac1d \left(\Delta u - |x|^2 u_e\right), \quad u = u_e = e^{|x|^2 / 2 + t}
        \quad\text{for } |x| \le 1, t \in [0, 1]

    with :math:`\partial u / \partial n = u_e` on the sphere, and u given at t = 0.

    Args:
        d: Number of dimensions of space, 1 to 19; the network must have one input more.
        **kwargs: Arguments of ``PINNModule``.

    Raises:
        ValueError: If `d` is out of range.

    Reference:
        PINNacle (Hao et al., 2024), HNd with d = 5.
    """

    def __init__(self, d: int = 5, **kwargs: Any) -> None:
        check_at_least("d", d, 1)
        self.domain = TimeCylinder(Ball((0.0,) * d, 1.0, coordinates=ascii_lowercase[:d]), (0.0, 1.0))
        super().__init__(**kwargs)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``initial``: the start; ``flux``: the normal derivative on the sphere."""
        x, edge, start = points["interior"], points["boundary"], points["initial"]
        space = self.domain.coordinates[:-1]
        u_t, laplacian = self.partials(x, "t", "+".join(2 * name for name in space))
        heating = x[:, :-1].square().sum(dim=1, keepdim=True) * self.exact(x)
        return {
            "pde": u_t - (laplacian - heating) / len(space),
            "initial": self(start) - self.exact(start),
            "flux": self.normal_derivative(edge, "boundary") - self.exact(edge),
        }

    def exact(self, x: Points) -> Fields:
        """Grows with the distance from the centre and with time."""
        return torch.exp(x[:, :-1].square().sum(dim=1, keepdim=True) / 2 + x[:, -1:])
