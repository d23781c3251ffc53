"""The 1-D convection that stalls plain training."""

from collections.abc import Mapping
from math import pi
from typing import Any

import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Periodic
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.shapes import Fields, Points


class Convection1D(PINNModule):
    r"""A sine wave carried several times around a ring.

    .. math:: u_t + \beta u_x = 0, \quad u(x, 0) = \sin x, \quad u = \sin(x - \beta t)

    on :math:`x \in [0, 2\pi]`, periodic, :math:`t \in [0, 1]`.

    Args:
        beta: Speed.
        **kwargs: Arguments of ``PINNModule``.

    Reference:
        Krishnapriyan et al., 2021, "Characterizing possible failure modes in physics-informed neural networks",
        section 3.1.

    Note:
        There periodicity is a loss term on both ends; here the default network is periodic by itself.
    """

    domain = TimeCylinder(Interval(0.0, 2 * pi), (0.0, 1.0))

    def __init__(self, beta: float = 30.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = beta

    def default_net(self) -> nn.Module:
        """A network of the cosine and sine of x, and t."""
        return Periodic(MLP(3, 1), [2 * pi, None])

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation in the interior; ``initial``: the sine wave."""
        u_t, u_x = self.partials(points["interior"], "t", "x")
        start = points["initial"]
        return {"pde": u_t + self.beta * u_x, "initial": self(start) - torch.sin(start[:, :1])}

    def exact(self, x: Points) -> Fields:
        """The travelling wave."""
        return torch.sin(x[:, :1] - self.beta * x[:, 1:])
