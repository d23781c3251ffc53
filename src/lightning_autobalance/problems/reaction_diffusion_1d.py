"""The 1-D reaction-diffusion benchmark of the paper."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.shapes import Fields, Points

AMPLITUDES = {1: 1.0, 2: 1 / 2, 3: 1 / 3, 4: 1 / 4, 8: 1 / 8}  # of sin(n x) at t = 0


class ReactionDiffusion1D(PINNModule):
    r"""1-D reaction-diffusion equation whose source makes all modes decay at the same rate.

    .. math:: u_t = u_{xx} + e^{-t} \sum_n (n^2 - 1) A_n \sin(n x), \quad u = e^{-t} \sum_n A_n \sin(n x)

    on :math:`x \in [-\pi, \pi]`, :math:`t \in [0, 1]`, with u = 0 at both ends and
    :math:`A_n = 1/n` for :math:`n = 1, 2, 3, 4, 8`.

    Reference:
        The AutoBalance paper, equations 9 to 13; Yu et al., 2022 (gPINN).

    Note:
        The term ``boundary`` is one mean over boundary and initial points: the paper counts two losses, with one weight
        for boundary and initial conditions.
    """

    domain = TimeCylinder(Interval(-pi, pi), (0.0, 1.0))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation in the interior; ``boundary``: boundary and initial conditions, in this order."""
        x = points["interior"]
        u_t, u_xx = self.partials(x, "t", "xx")
        reaction = torch.exp(-x[:, 1:]) * _waves(x[:, :1], {n: (n**2 - 1) * a for n, a in AMPLITUDES.items()})
        ends, initial = points["boundary"], points["initial"]
        target = torch.cat([torch.zeros_like(ends[:, :1]), _waves(initial[:, :1], AMPLITUDES)])
        return {"pde": u_t - u_xx - reaction, "boundary": self(torch.cat([ends, initial])) - target}

    def exact(self, x: Points) -> Fields:
        """The decaying sine waves."""
        return torch.exp(-x[:, 1:]) * _waves(x[:, :1], AMPLITUDES)


def _waves(x: Tensor, amplitudes: Mapping[int, float]) -> Tensor:
    return torch.stack([a * torch.sin(n * x) for n, a in amplitudes.items()]).sum(dim=0)
