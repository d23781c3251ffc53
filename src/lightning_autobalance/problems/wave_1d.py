"""The wave equation on a string."""

from collections.abc import Mapping
from math import pi
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class Wave1D(PINNModule):
    r"""1-D wave equation with two modes, released from rest.

    .. math:: u_{tt} = 4 u_{xx}, \quad u = \sin(\pi x) \cos(2 \pi t) + \tfrac12 \sin(a \pi x) \cos(2 a \pi t)
        \quad\text{for } x \in [0, 1], t \in [0, 1]

    with u = 0 at both ends.

    Args:
        a: Number of half waves of the faster mode, an integer, so that it vanishes at both ends.
        **kwargs: Arguments of ``PINNModule``.

    Raises:
        ValueError: If `a` is not positive.

    Reference:
        PINNacle (Hao et al., 2024), Wave 1d-C. Its outward normal at the corners of space and time mixes both; here the
        velocity at the start is :math:`u_t`, and the initial points have no share in the equation's term.
    """

    domain = TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0))

    def __init__(self, a: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_at_least("a", a, 1)
        self.a = a

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``initial``, ``velocity``: u and its derivative at t = 0; ``boundary``: the ends."""
        u_tt, u_xx = self.partials(points["interior"], "tt", "xx")
        u, u_t = self.partials(points["initial"], "", "t")
        return {
            "pde": u_tt - 4 * u_xx,
            "initial": u - self.exact(points["initial"]),
            "velocity": u_t,
            "boundary": self(points["boundary"]),
        }

    def exact(self, x: Points) -> Fields:
        """Two standing waves."""
        x, t = x[:, :1], x[:, 1:]
        fast = torch.sin(self.a * pi * x) * torch.cos(2 * self.a * pi * t)
        return torch.sin(pi * x) * torch.cos(2 * pi * t) + fast / 2
