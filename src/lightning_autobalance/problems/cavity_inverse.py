"""The viscosity of a driven cavity from a few velocities."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.nets.bounded import Bounded
from lightning_autobalance.points import Rectangle
from lightning_autobalance.problems.packaged import packaged
from lightning_autobalance.utils.arguments import check_at_least


class CavityInverse(PINNModule):
    r"""Steady flow in a square with a moving lid, of unknown viscosity, whose velocity is known at a few points.

    .. math:: (w \cdot \nabla) w = -\nabla p + \nu \Delta w, \quad \nabla \cdot w = 0, \quad w = (u, v)
        \quad\text{on } [0, 1]^2

    with w = 0 on three sides, w = (4x (1 - x), 0) on the lid, and p = 0 at the corner (0, 0). The velocities are those
    of the reference of ``LidDrivenCavity``, whose viscosity is 0.01; the first guess is 0.1.

    Args:
        count: Number of measured points, > 0, drawn among those of the reference inside.
        noise_std: Standard deviation of the noise on the velocities, >= 0.
        data_seed: Seed of both.
        **kwargs: Arguments of ``PINNModule``.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        The flow is that of PINNacle (Hao et al., 2024), NS 2d-C; the inverse problem is our own.
    """

    domain = Rectangle((0.0, 1.0), (0.0, 1.0)).with_part("corner", (0.0, 0.0))
    fields = ("u", "v", "p")
    measured = ("data",)
    default_reference = packaged("lid_driven_cavity")
    true_parameters: Mapping[str, float] = {"viscosity": 0.01}
    places: Tensor
    velocities: Tensor

    def __init__(self, count: int = 50, noise_std: float = 0.0, data_seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_at_least("count", count, 1)
        check_at_least("noise_std", noise_std, 0)
        self.viscosity = Bounded(0.1)
        with np.load(packaged("lid_driven_cavity")["file"]) as table:
            rows = np.stack([table[name] for name in ("x", "y", "u", "v")], axis=1)
        rng = np.random.default_rng(data_seed)
        inside = rows[((rows[:, :2] > 0) & (rows[:, :2] < 1)).all(axis=1)]
        chosen = torch.as_tensor(rng.choice(inside, count, replace=False), dtype=torch.get_default_dtype())
        noise = torch.as_tensor(rng.normal(0.0, noise_std, (count, 2)), dtype=chosen.dtype)
        self.register_buffer("places", chosen[:, :2])
        self.register_buffer("velocities", chosen[:, 2:] + noise)

    def default_net(self) -> nn.Module:
        """Three hidden layers of 50 units."""
        return MLP(2, 3)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``momentum``, ``continuity``, ``lid``, ``walls``, ``pressure`` in the corner, and ``data``."""
        w, w_x, w_y, laplacian = self.partials(points["interior"], "", "x", "y", "xx+yy")
        convection = w[:, :1] * w_x[:, :2] + w[:, 1:2] * w_y[:, :2]
        gradient = torch.stack([w_x[:, 2], w_y[:, 2]], dim=1)
        x = points["top"][:, :1]
        walls = torch.cat([points[side] for side in ("left", "right", "bottom")])
        return {
            "momentum": convection + gradient - self.viscosity() * laplacian[:, :2],
            "continuity": w_x[:, :1] + w_y[:, 1:2],
            "lid": self(points["top"])[:, :2] - torch.cat([4 * x * (1 - x), 0 * x], dim=1),
            "walls": self(walls)[:, :2],
            "pressure": self(points["corner"])[:, 2:],
            "data": self(self.places)[:, :2] - self.velocities,
        }
