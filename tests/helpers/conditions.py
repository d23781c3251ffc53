"""Problems with conditions of every kind, small enough to train in milliseconds."""

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Periodic
from lightning_autobalance.points import Interval, ParameterRange, Rectangle, TimeCylinder


class Ring(PINNModule):
    """u_tt = c² u_xx around a ring of length 2, for speeds c from 0.5 to 1; periodic by the network."""

    domain = TimeCylinder(Interval(0.0, 2.0), (0.0, 1.0)) * ParameterRange("c", 0.5, 1.0)
    counts: Mapping[str, int] = {"interior": 25, "initial": 5}

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x, start = points["interior"], points["initial"]
        u_tt, u_xx = self.partials(x, "tt", "xx")
        u, u_t = self.partials(start, "", "t")
        return {
            "pde": u_tt - x[:, 2:] ** 2 * u_xx,
            "start": u - torch.sin(pi * start[:, :1]),
            "velocity": u_t,
            "mass": self.integral(at=start, count=9),
        }

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(pi * x[:, :1]) * torch.cos(pi * x[:, 2:] * x[:, 1:2])

    def default_net(self) -> nn.Module:
        return Periodic(MLP(4, 1, [6, 6]), [2.0, None, None])


class SoftRing(Ring):
    """Periodic by a term."""

    counts: Mapping[str, int] = {"interior": 25, "left": 7, "initial": 5}

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return super().residuals(points) | {"periodic": self.periodic(points["left"], "x", order=2)}

    def default_net(self) -> nn.Module:
        return MLP(3, 1, [6, 6])


class Plate(PINNModule):
    """Flux (p, q) = a ∇u in two materials; Neumann, Robin, a point, a mean, and conditions on some of the fields."""

    domain = Rectangle((0.0, 1.0), (0.0, 1.0)).named(left="inlet").with_part("corner", (0.0, 0.0))
    fields = ("u", "p", "q")
    counts: Mapping[str, int] = {"interior": 25, "inlet": 7, "right": 5, "top": 5, "bottom": 5, "corner": 3}

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = points["interior"]
        f, f_x, f_y = self.partials(x, "", "x", "y")
        grad = torch.stack([f_x[:, 0], f_y[:, 0]], dim=1)
        inlet, right = points["inlet"], points["right"]
        ends = torch.cat([points["top"], points["bottom"]])
        return {
            "law": f[:, 1:] - self.coefficient(x) * grad,
            "pde": f_x[:, 1] + f_y[:, 2],
            "neumann": self.normal_derivative(inlet, "inlet")[:, 0] + 1.0,
            "robin": self.normal_derivative(right, "right")[:, 0] + self(right)[:, 0] - 1.25,
            "tight": self(ends)[:, 2],  # of one field
            "corner": self(points["corner"])[:, 0],
            "mean": self.integral(count=16)[:, 1] - 1.0,
        }

    def coefficient(self, x: Tensor) -> Tensor:
        return torch.where(x[:, :1] < 0.5, 1.0, 2.0)

    def exact(self, x: Tensor) -> Tensor:
        s = x[:, :1]
        u = torch.where(s < 0.5, s, 0.5 + (s - 0.5) / 2)
        return torch.cat([u, torch.ones_like(s), torch.zeros_like(s)], dim=1)

    def default_net(self) -> nn.Module:
        return MLP(2, 3, [6, 6])


class Pointwise(Plate):
    """Without the mean, whose row each of several processes has, which moves the first damping of a finish."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {term: residual for term, residual in super().residuals(points).items() if term != "mean"}
