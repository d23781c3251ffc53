"""Poisson's equation in many dimensions."""

from collections.abc import Mapping
from math import pi
from string import ascii_lowercase
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Box
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class PoissonND(PINNModule):
    r"""Poisson's equation on a cube of any dimension.

    .. math:: \Delta u + \frac{\pi^2}{4} \sum_{i=1}^d \sin(\pi x_i / 2) = 0, \quad u = \sum_{i=1}^d \sin(\pi x_i / 2)
        \quad\text{on } [0, 1]^d

    with u given on the sides.

    Args:
        d: Number of dimensions, 1 to 26; the network must have as many inputs.
        **kwargs: Arguments of ``PINNModule``.

    Raises:
        ValueError: If `d` is out of range.

    Reference:
        PINNacle (Hao et al., 2024), PNd with d = 5.
    """

    def __init__(self, d: int = 5, **kwargs: Any) -> None:
        check_at_least("d", d, 1)
        self.domain = Box(*[(0.0, 1.0)] * d, coordinates=ascii_lowercase[:d])
        super().__init__(**kwargs)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``boundary``: u on the sides."""
        inside, edge = points["interior"], points["boundary"]
        (laplacian,) = self.partials(inside, "+".join(2 * name for name in self.domain.coordinates))
        return {"pde": laplacian + pi**2 / 4 * self.exact(inside), "boundary": self(edge) - self.exact(edge)}

    def exact(self, x: Points) -> Fields:
        """The sum of waves."""
        return torch.sin(pi * x / 2).sum(dim=1, keepdim=True)
