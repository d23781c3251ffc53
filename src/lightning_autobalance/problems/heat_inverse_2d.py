"""An inverse heat problem: a conductivity from noisy temperatures."""

from collections.abc import Mapping
from math import pi
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Parallel
from lightning_autobalance.points import Rectangle, TimeCylinder, Uniform, sample
from lightning_autobalance.problems.poisson_inverse_2d import MEASUREMENTS
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class HeatInverse2D(PINNModule):
    r"""2-D inverse heat problem: find the conductivity a(x, y) from noisy values of u and those of a on the edge.

    .. math:: u_t = \nabla \cdot (a \nabla u) + f, \quad u = e^{-t} \sin(\pi x) \sin(\pi y), \quad
        a = 2 + \sin(\pi x) \sin(\pi y) \quad\text{on } [-1, 1]^2, t \in [0, 1]

    Two parallel networks represent u and a, both of x, y and t; a term asks for :math:`a_t = 0`. Neither the start nor
    the edge of u is known. The metrics report both fields.

    Args:
        noise_std: Standard deviation of the noise on u, >= 0.
        u_points: Number of measurements, evenly random in space and time.
        data_seed: Seed of the measurements. By default the one given to ``seed_everything``.
        **kwargs: Arguments of ``PINNModule``.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        PINNacle (Hao et al., 2024), HInv. It measures at the points of a file, here they are drawn; and its recommended
        network for a does not see t, where here is a term.
    """

    domain = TimeCylinder(Rectangle((-1.0, 1.0), (-1.0, 1.0)), (0.0, 1.0))
    fields = ("u", "a")
    measured = ("data",)
    u_points: Tensor
    u_values: Tensor

    def __init__(
        self, noise_std: float = 0.1, u_points: int = 2500, data_seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_at_least("noise_std", noise_std, 0)
        check_at_least("u_points", u_points, 1)
        seed = data_seed if data_seed is not None else torch.initial_seed()
        x = torch.as_tensor(sample(self.domain, "interior", u_points, Uniform(), seed, MEASUREMENTS))
        noise = np.random.default_rng([seed, MEASUREMENTS]).normal(0.0, noise_std, (u_points, 1))
        dtype = torch.get_default_dtype()
        self.register_buffer("u_points", x.to(dtype))
        self.register_buffer("u_values", (self.exact(x)[:, :1] + torch.as_tensor(noise)).to(dtype))

    def default_net(self) -> nn.Module:
        """One network for u and one for a, each with three hidden layers of 50 units."""
        return Parallel([MLP(3, 1), MLP(3, 1)])

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``steady``: a by t; ``data``: u minus what is measured; ``boundary``: a there."""
        x, edge = points["interior"], points["boundary"]
        fields, by_x, by_y, by_t, laplacians = self.partials(x, "", "x", "y", "t", "xx+yy")
        (a, u_x, a_x, u_y, a_y) = (fields[:, 1], *by_x.unbind(1), *by_y.unbind(1))
        divergence = a_x * u_x + a_y * u_y + a * laplacians[:, 0]  # of a grad u
        return {
            "pde": by_t[:, 0] - divergence - self.source(x),
            "steady": by_t[:, 1],
            "data": self(self.u_points)[:, :1] - self.u_values,
            "boundary": (self(edge) - self.exact(edge))[:, 1:],
        }

    def exact(self, x: Points) -> Fields:
        """The solution u and the conductivity a."""
        waves = torch.sin(pi * x[:, :2]).prod(dim=1, keepdim=True)
        return torch.cat([torch.exp(-x[:, 2:]) * waves, 2 + waves], dim=1)

    @staticmethod
    def source(x: Points) -> Tensor:
        """The right-hand side f, (b,)."""
        sin_x, sin_y = torch.sin(pi * x[:, :2]).unbind(1)
        cos_x, cos_y = torch.cos(pi * x[:, :2]).unbind(1)
        s = sin_x * sin_y
        slopes = (cos_x * sin_y) ** 2 + (sin_x * cos_y) ** 2
        return torch.exp(-x[:, 2]) * ((4 * pi**2 - 1) * s + pi**2 * (2 * s**2 - slopes))
