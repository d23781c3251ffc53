"""Allen and Cahn's equation, whose phases separate along sharp interfaces."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Periodic
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.problems.packaged import packaged


class AllenCahn1D(PINNModule):
    r"""Allen-Cahn equation on a periodic interval.

    .. math:: u_t = 10^{-4} u_{xx} + 5 u - 5 u^3, \quad u(x, 0) = x^2 \cos(\pi x)

    on :math:`x \in [-1, 1]`, :math:`t \in [0, 1]`. The reference is spectral.

    Reference:
        Raissi et al., 2019 (J. Comput. Phys. 378), section 3.1, and the works on causality after it.

    Note:
        There periodicity is a loss term; here the default network is periodic by itself. DeepXDE's file
        ``Allen_Cahn.mat`` is the solution of another problem: a diffusion of 1e-3, and u = -1 at both ends.
    """

    domain = TimeCylinder(Interval(-1.0, 1.0), (0.0, 1.0))
    default_reference = packaged("allen_cahn_1d")

    def default_net(self) -> nn.Module:
        """A network of four waves of x, and t."""
        return Periodic(MLP(9, 1), [2.0, None], harmonics=4)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation in the interior; ``initial``: the start."""
        u, u_t, u_xx = self.partials(points["interior"], "", "t", "xx")
        x = points["initial"][:, :1]
        return {
            "pde": u_t - 1e-4 * u_xx - 5 * (u - u**3),
            "initial": self(points["initial"]) - x**2 * torch.cos(pi * x),
        }
