"""A standing wave of a square membrane."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle, TimeCylinder
from lightning_autobalance.shapes import Fields, Points

OMEGA = 2**0.5 * pi


class Wave2D(PINNModule):
    r"""A square membrane, fixed at its edge, released with a shape and that shape as its velocity.

    .. math:: u_{tt} = u_{xx} + u_{yy}, \quad u = \sin(\pi x) \sin(\pi y)
        \left(\cos \omega t + \frac{\sin \omega t}{\omega}\right), \quad \omega = \sqrt 2 \pi

    on :math:`(x, y) \in [0, 1]^2`, :math:`t \in [0, 1]`.

    Reference:
        d'Alembert's equation by separation of variables; no paper's setting.
    """

    domain = TimeCylinder(Rectangle((0.0, 1.0), (0.0, 1.0)), (0.0, 1.0))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde`` in the interior, ``boundary``, and at the start ``initial``, the shape, and ``velocity``."""
        u_tt, laplacian = self.partials(points["interior"], "tt", "xx+yy")
        u, u_t = self.partials(points["initial"], "", "t")
        shape = _shape(points["initial"])
        return {
            "pde": u_tt - laplacian,
            "boundary": self(points["boundary"]),
            "initial": u - shape,
            "velocity": u_t - shape,
        }

    def exact(self, x: Points) -> Fields:
        """The standing wave."""
        phase = OMEGA * x[:, 2:]
        return _shape(x) * (torch.cos(phase) + torch.sin(phase) / OMEGA)


def _shape(x: Points) -> Fields:
    return torch.sin(pi * x[:, :2]).prod(dim=1, keepdim=True)
