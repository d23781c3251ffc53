"""An inverse Poisson problem with many and very noisy measurements."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Parallel
from lightning_autobalance.points import Rectangle
from lightning_autobalance.problems.poisson_inverse_2d import MEASUREMENTS, equation, solution
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class PoissonInverseNoisy2D(PINNModule):
    r"""2-D inverse Poisson problem: find a(x, y) from noisy values of u on a grid and those of a on the boundary.

    .. math:: -\nabla \cdot (a \nabla u) = f, \quad u = \sin(\pi x) \sin(\pi y),
        \quad a = \frac{1}{1 + x^2 + y^2 + (x - 1)^2 + (y - 1)^2} \quad\text{on } [0, 1]^2

    Two parallel networks represent u and a. The metrics report both.

    Args:
        noise_std: Standard deviation of the noise on u, >= 0.
        grid: Number of measurements in each direction, the edges included.
        data_seed: Seed of the noise. By default the one given to ``seed_everything``.
        **kwargs: Arguments of ``PINNModule``.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        PINNacle (Hao et al., 2024), PInv. The source in its code has 2x + 1 and 2y + 1 where 2x - 1 and 2y - 1 belong,
        so that the true u and a do not solve its equation; this is the corrected one. `PoissonInverse2D` is the same
        equation with the few measurements of the AutoBalance paper.
    """

    domain = Rectangle((0.0, 1.0), (0.0, 1.0))
    fields = ("u", "a")
    measured = ("data",)
    u_points: Tensor
    u_values: Tensor

    def __init__(self, noise_std: float = 0.1, grid: int = 50, data_seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_at_least("noise_std", noise_std, 0)
        check_at_least("grid", grid, 2)
        seed = data_seed if data_seed is not None else torch.initial_seed()
        s, dtype = torch.linspace(0, 1, grid, dtype=torch.float64), torch.get_default_dtype()
        x = torch.cartesian_prod(s, s)
        noise = np.random.default_rng([seed, MEASUREMENTS]).normal(0.0, noise_std, (len(x), 1))
        self.register_buffer("u_points", x.to(dtype))
        self.register_buffer("u_values", (solution(x)[:, :1] + torch.as_tensor(noise)).to(dtype))

    def default_net(self) -> nn.Module:
        """One network for u and one for a, each with three hidden layers of 50 units."""
        return Parallel([MLP(2, 1), MLP(2, 1)])

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``data``: u minus its measurements; ``boundary``: a on the boundary."""
        edge = points["boundary"]
        return {
            "pde": equation(self, points["interior"]),
            "data": self(self.u_points)[:, :1] - self.u_values,
            "boundary": (self(edge) - solution(edge))[:, 1:],
        }

    def exact(self, x: Points) -> Fields:
        """The solution u and the coefficient a."""
        return solution(x)
