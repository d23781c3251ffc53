"""Korteweg and de Vries' equation, where a wave breaks up into solitons."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Periodic
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.problems.packaged import packaged


class KdV1D(PINNModule):
    r"""Korteweg-de Vries equation on a periodic interval.

    .. math:: u_t + u u_x + 0.0025 u_{xxx} = 0, \quad u(x, 0) = \cos(\pi x)

    on :math:`x \in [-1, 1]`, :math:`t \in [0, 1]`. The reference is spectral.

    Reference:
        Raissi et al., 2019 (J. Comput. Phys. 378), section 4.2, there with the coefficients as unknowns.

    Note:
        Zabusky and Kruskal, 1965, and jaxpi's benchmark (Wang et al., 2023) have a dispersion of 0.022² in place of
        0.0025, hence more solitons.
    """

    domain = TimeCylinder(Interval(-1.0, 1.0), (0.0, 1.0))
    default_reference = packaged("kdv_1d")

    def default_net(self) -> nn.Module:
        """A network of four waves of x, and t."""
        return Periodic(MLP(9, 1), [2.0, None], harmonics=4)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation in the interior; ``initial``: the start."""
        u, u_t, u_x, u_xxx = self.partials(points["interior"], "", "t", "x", "xxx")
        start = points["initial"]
        return {
            "pde": u_t + u * u_x + 0.0025 * u_xxx,
            "initial": self(start) - torch.cos(pi * start[:, :1]),
        }
