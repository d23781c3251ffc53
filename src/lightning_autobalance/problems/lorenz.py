"""Lorenz's equations, with their coefficients from measured states."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.nets.bounded import Bounded
from lightning_autobalance.points import Box
from lightning_autobalance.problems.packaged import packaged


class Lorenz(PINNModule):
    r"""Lorenz's system of ordinary differential equations with three unknown coefficients.

    .. math:: x' = \sigma (y - x), \quad y' = x (\rho - z) - y, \quad z' = x y - \beta z

    on :math:`t \in [0, 3]`, from (-8, 7, 27), with :math:`\sigma = 10, \rho = 15, \beta = 8/3`; known are the states at
    61 even times, 0.05 apart.

    Reference:
        DeepXDE's example (Lu et al., 2021), there with 25 states and values of the first at both ends.
    """

    domain = Box((0.0, 3.0), coordinates=("t",))
    fields = ("x", "y", "z")
    default_reference = packaged("lorenz")
    true_parameters: Mapping[str, float] = {"sigma": 10.0, "rho": 15.0, "beta": 8 / 3}
    times: Tensor
    states: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sigma, self.rho, self.beta = Bounded(5.0), Bounded(5.0), Bounded(5.0)
        with np.load(packaged("lorenz")["file"]) as table:
            rows = np.stack([table[name][::10] for name in ("t", *self.fields)], axis=1)
        measured = torch.as_tensor(rows, dtype=torch.get_default_dtype())
        self.register_buffer("times", measured[:, :1])
        self.register_buffer("states", measured[:, 1:])

    def default_net(self) -> nn.Module:
        """Three hidden layers of 40 units."""
        return MLP(1, 3, [40] * 3)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``ode``: the equations; ``data``: predicted minus measured states."""
        s, s_t = self.partials(points["interior"], "", "t")
        x, y, z = s.unbind(1)
        right = torch.stack([self.sigma() * (y - x), x * (self.rho() - z) - y, x * y - self.beta() * z], dim=1)
        return {"ode": s_t - right, "data": self(self.times) - self.states}
