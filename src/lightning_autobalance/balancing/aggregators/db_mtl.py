"""DB-MTL: gradients of the log losses, scaled to the largest norm."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.balancing.base import CallCounter
from lightning_autobalance.shapes import Gradient, Jacobian
from lightning_autobalance.utils.arguments import check_at_least, check_interval
from lightning_autobalance.utils.parameter_columns import ParameterColumns


@final
class DBMTL(ParameterColumns, CallCounter, Aggregator):
    r"""Dual balancing: gradients of the log losses, averaged over steps, all scaled to the largest norm.

    .. math:: b_i \leftarrow g_i + \frac{\beta}{k^\sigma} (b_i - g_i), \quad g_i = \nabla \log L_i, \quad
        g = \sum_i \frac{\max_l \|b_l\|}{\|b_i\| + \epsilon} b_i

    Args:
        beta: Weight of the previous average, in [0, 1); 0 averages nothing.
        sigma: Exponent with which that weight decays over the steps k.

    Raises:
        ValueError: If ``beta`` is not in [0, 1), or ``sigma`` is negative or not finite.

    Reference:
        Lin et al., Dual-Balancing for Multi-Task Learning, arXiv 2308.12029; constants from LibMTL.

    Note:
        The averages of a parameter rest while it is frozen; those of one that is unfrozen in mid-run start at zero, as
        all do in the first step.
    """

    of_log_losses = True
    per_parameter = ("average",)
    average: Tensor

    def __init__(self, beta: float = 0.9, sigma: float = 0.0) -> None:
        super().__init__()
        check_interval("beta", beta, 0, 1)
        check_at_least("sigma", sigma, 0)
        self.beta = beta
        self.sigma = sigma
        self.register_buffer("average", torch.empty(0))

    def forward(self, jacobian: Jacobian) -> Gradient:
        """The sum of the averaged and scaled rows: (m, n) to (n,)."""
        rows = jacobian.nan_to_num(0.0, 0.0, 0.0)
        if not self.average.numel():
            self.average = torch.zeros_like(rows)
        self._calls += 1
        self.average = rows + self.beta / self._calls**self.sigma * (self.average - rows)
        norms = torch.linalg.vector_norm(self.average, dim=1, dtype=torch.float64)
        weights = norms.max() / (norms + 1e-8)
        gradient: Gradient = weights.to(rows) @ self.average
        return gradient
