"""Kuramoto and Sivashinsky's equation, on its way into chaos."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Periodic
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.problems.packaged import packaged

CONVECTION, GROWTH, DAMPING = 100 / 16, 100 / 16**2, 100 / 16**4


class KuramotoSivashinsky1D(PINNModule):
    r"""Kuramoto-Sivashinsky equation on a periodic interval.

    .. math:: u_t + \frac{100}{16} u u_x + \frac{100}{16^2} u_{xx} + \frac{100}{16^4} u_{xxxx} = 0,
        \quad u(x, 0) = \cos x \, (1 + \sin x)

    on :math:`x \in [0, 2 \pi]`, :math:`t \in [0, 1]`. The reference is spectral.

    Reference:
        PINNacle (Hao et al., 2024), Kuramoto-Sivashinsky; the setting is that of Wang et al., 2022 (causality).

    Note:
        PINNacle's code has no condition at the ends, so that its problem has many solutions; periodicity is assumed
        here, by the default network.
    """

    domain = TimeCylinder(Interval(0.0, 2 * pi), (0.0, 1.0))
    default_reference = packaged("kuramoto_sivashinsky_1d")

    def default_net(self) -> nn.Module:
        """A network of five waves of x, and t."""
        return Periodic(MLP(11, 1), [2 * pi, None], harmonics=5)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation in the interior; ``initial``: the start."""
        u, u_t, u_x, u_xx, u_xxxx = self.partials(points["interior"], "", "t", "x", "xx", "xxxx")
        x = points["initial"][:, :1]
        return {
            "pde": u_t + CONVECTION * u * u_x + GROWTH * u_xx + DAMPING * u_xxxx,
            "initial": self(points["initial"]) - torch.cos(x) * (1 + torch.sin(x)),
        }
