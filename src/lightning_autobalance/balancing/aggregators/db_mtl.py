"""DB-MTL: log losses, and gradients scaled to the longest."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.balancing.base import CountsCalls
from lightning_autobalance.shapes import Gradient, Jacobian


@final
class DBMTL(CountsCalls, Aggregator):
    r"""Dual balancing: gradients of the logarithms of the losses, averaged over steps, all scaled to the longest.

    .. math:: b_i \leftarrow g_i + \frac{\beta}{k^\sigma} (b_i - g_i), \quad g_i = \nabla \log L_i, \quad
        g = \sum_i \frac{\max_l \|b_l\|}{\|b_i\| + \epsilon} b_i

    Args:
        beta: Rate of the average; 0 takes the gradients as they are.
        sigma: Decay of the rate over steps.

    Raises:
        ValueError: If ``beta`` is not in [0, 1) or ``sigma`` is negative.

    Reference:
        Lin et al., Dual-Balancing for Multi-Task Learning, arXiv 2308.12029; LibMTL for the numbers.
    """

    of_log_losses = True
    average: Tensor

    def __init__(self, beta: float = 0.9, sigma: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"`beta` must be in [0, 1), got {beta}.")
        if not sigma >= 0.0:
            raise ValueError(f"`sigma` must be >= 0, got {sigma}.")
        self.beta = beta
        self.sigma = sigma
        self.register_buffer("average", torch.empty(0))

    def forward(self, jacobian: Jacobian) -> Gradient:
        """Average and scale the rows: (m, n) to (n,)."""
        rows = jacobian.nan_to_num(0.0, 0.0, 0.0)
        if not self.average.numel():
            self.average = torch.zeros_like(rows)
        self._calls += 1
        self.average = rows + self.beta / self._calls**self.sigma * (self.average - rows)
        norms = torch.linalg.vector_norm(self.average, dim=1, dtype=torch.float64)
        weights = norms.max() / (norms + 1e-8)
        gradient: Gradient = weights.to(rows) @ self.average
        return gradient
