"""The Poisson-Boltzmann equation on a square with four holes."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Disk, Domain, Rectangle
from lightning_autobalance.problems.packaged import later, packaged
from lightning_autobalance.shapes import Fields, Points

HOLES = (((0.5, 0.5), 0.2), ((0.4, -0.4), 0.4), ((-0.2, -0.7), 0.1), ((-0.6, 0.5), 0.3))


def _domain() -> Domain:
    square: Domain = Rectangle((-1.0, 1.0), (-1.0, 1.0))
    for center, radius in HOLES:
        square = square - Disk(center, radius)
    return square


class PoissonBoltzmann2D(PINNModule):
    r"""Linear Poisson-Boltzmann equation, also called the screened Poisson equation, between a square and four disks.

    .. math:: -(u_{xx} + u_{yy}) + 64 u = 10 (17 + x^2 + y^2) \sin(\pi x) \sin(4 \pi y)

    on :math:`[-1, 1]^2` without disks of radius 0.2 at (0.5, 0.5), 0.4 at (0.4, -0.4), 0.1 at (-0.2, -0.7) and 0.3 at
    (-0.6, 0.5), with u = 0.2 on the square and u = 1 on the circles. The reference is fitted to the boundary values by
    solutions of the homogeneous equation.

    Reference:
        PINNacle (Hao et al., 2024), Poisson 2d-CG. It spreads half of the points of the circles over the last of them;
        here by length.
    """

    domain = later(_domain)
    default_reference = packaged("poisson_boltzmann_2d")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``outer``: u on the square; ``holes``: u on the circles."""
        x = points["interior"]
        u, laplacian = self.partials(x, "", "xx+yy")
        return {
            "pde": 64 * u - laplacian - self.source(x),
            "outer": self(points["outer"]) - 0.2,
            "holes": self(points["hole"]) - 1,
        }

    @staticmethod
    def source(x: Points) -> Fields:
        """The right-hand side, (b, 1)."""
        waves = torch.sin(pi * x[:, :1]) * torch.sin(4 * pi * x[:, 1:])
        return 10 * (17 + x.square().sum(dim=1, keepdim=True)) * waves
