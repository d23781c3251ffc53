"""The inverse Poisson benchmark of the paper: a coefficient from noisy measurements."""

from collections.abc import Mapping
from math import pi
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Parallel
from lightning_autobalance.points import Rectangle, Uniform, sample
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least

MEASUREMENTS = 2**31  # index of the draw of the measurement points; those of the collocation points stay below


class PoissonInverse2D(PINNModule):
    r"""2-D inverse Poisson problem: find the coefficient a(x, y) from a few noisy measurements of u.

    .. math:: -\nabla \cdot (a \nabla u) = f, \quad u = \sin(\pi x) \sin(\pi y),
        \quad a = \frac{1}{1 + x^2 + y^2 + (x - 1)^2 + (y - 1)^2} \quad\text{on } [0, 1]^2

    Two parallel networks represent u and a. The term ``data`` is one mean over the noisy values of u in the interior
    and the exact values of a on the boundary. The metrics report the error of a only.

    Args:
        noise_std: Standard deviation of the noise on u, >= 0. The paper says "variance 0.01" (0.1 here), but then least
            squares on so few points cannot reach its errors; with 0.01, the default, it can.
        u_points: Number of measurements of u in the interior, > 0.
        a_points: Number of values of a on the boundary, > 0.
        data_seed: Seed of the measurements. By default the one given to ``seed_everything``.
        **kwargs: Arguments of ``PINNModule``.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        The AutoBalance paper, appendices A.1 and A.4 and equations 18 to 22.
    """

    domain = Rectangle((0.0, 1.0), (0.0, 1.0))
    fields = ("u", "a")
    measured = ("data",)
    reported = ("a",)
    u_points: Tensor
    u_values: Tensor
    a_points: Tensor
    a_values: Tensor

    def __init__(
        self,
        noise_std: float = 0.01,
        u_points: int = 60,
        a_points: int = 10,
        data_seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least("noise_std", noise_std, 0)
        for name, count in {"u_points": u_points, "a_points": a_points}.items():
            check_at_least(name, count, 1)
        seed = data_seed if data_seed is not None else torch.initial_seed()
        self._measure("u", "interior", u_points, noise_std, seed)
        self._measure("a", "boundary", a_points, 0.0, seed)

    def _measure(self, field: str, part: str, count: int, noise_std: float, seed: int) -> None:
        points = sample(self.domain, part, count, Uniform(), seed, MEASUREMENTS)
        noise = np.random.default_rng([seed, MEASUREMENTS]).normal(0.0, noise_std, (count, 1))
        x, dtype = torch.as_tensor(points), torch.get_default_dtype()
        column = self.fields.index(field)
        self.register_buffer(f"{field}_points", x.to(dtype))
        self.register_buffer(f"{field}_values", (self.exact(x)[:, column, None] + torch.as_tensor(noise)).to(dtype))

    def default_net(self) -> nn.Module:
        """One network for u and one for a, each with four hidden layers of 50 units."""
        return Parallel([MLP(2, 1, [50] * 4), MLP(2, 1, [50] * 4)])

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation in the interior; ``data``: predictions minus measurements of u and a."""
        predicted = self(torch.cat([self.u_points, self.a_points]))
        n = len(self.u_points)
        data = torch.cat([predicted[:n, :1] - self.u_values, predicted[n:, 1:] - self.a_values])
        return {"pde": equation(self, points["interior"]), "data": data}

    def exact(self, x: Points) -> Fields:
        """The solution u and the coefficient a."""
        return solution(x)

    def source(self, x: Points) -> Tensor:
        """The right-hand side f, (b,)."""
        return source(x)


def equation(module: PINNModule, x: Points) -> Tensor:
    """The residual of the equation for fields u and a, (b,).

    Args:
        module: With these two fields.
        x: Points of the interior.
    """
    fields, fields_x, fields_y, laplacians = module.partials(x, "", "x", "y", "xx+yy")
    (a, u_x, a_x, u_y, a_y) = (fields[:, 1], *fields_x.unbind(1), *fields_y.unbind(1))
    divergence = a_x * u_x + a_y * u_y + a * laplacians[:, 0]  # of a grad u
    return -divergence - source(x)


def solution(x: Points) -> Fields:
    """The solution u and the coefficient a."""
    u = torch.sin(pi * x[:, :1]) * torch.sin(pi * x[:, 1:])
    return torch.cat([u, 1 / _denominator(x)[:, None]], dim=1)


def source(x: Points) -> Tensor:
    """The right-hand side f, (b,)."""
    sin_x, sin_y = torch.sin(pi * x).unbind(1)
    cos_x, cos_y = torch.cos(pi * x).unbind(1)
    slope_x, slope_y = (2 * x - 1).unbind(1)
    d = _denominator(x)
    return 2 * pi**2 * sin_x * sin_y / d + 2 * pi * (slope_x * cos_x * sin_y + slope_y * cos_y * sin_x) / d**2


def _denominator(x: Points) -> Tensor:
    return 1 + (x**2 + (x - 1) ** 2).sum(dim=1)
