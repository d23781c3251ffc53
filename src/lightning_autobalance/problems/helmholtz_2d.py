"""The 2-D Helmholtz benchmark of the paper."""

from collections.abc import Mapping
from math import pi
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle
from lightning_autobalance.shapes import Fields, Points


class Helmholtz2D(PINNModule):
    r"""2-D Helmholtz equation on a square, with zero Dirichlet boundary conditions.

    .. math:: u_{xx} + u_{yy} + k^2 u = q, \quad u = \sin(a_1 \pi x) \sin(a_2 \pi y) \quad\text{on } [-1, 1]^2

    Args:
        a1: Number of periods of the solution along x; an integer, so that it vanishes on the boundary.
        a2: Number of periods along y; an integer.
        k: Wave number.
        **kwargs: Arguments of ``PINNModule``.

    Reference:
        The AutoBalance paper, equations 14 to 17, there with ``a1 = a2 = a``.
    """

    domain = Rectangle((-1.0, 1.0), (-1.0, 1.0))

    def __init__(self, a1: int = 5, a2: int = 5, k: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.a1 = a1
        self.a2 = a2
        self.k = k

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation in the interior; ``boundary``: u on the boundary."""
        x = points["interior"]
        u, laplacian = self.partials(x, "", "xx+yy")
        source = (self.k**2 - (self.a1**2 + self.a2**2) * pi**2) * self.exact(x)
        return {"pde": laplacian + self.k**2 * u - source, "boundary": self(points["boundary"])}

    def exact(self, x: Points) -> Fields:
        """The product of two sine waves."""
        return torch.sin(self.a1 * pi * x[:, :1]) * torch.sin(self.a2 * pi * x[:, 1:])
