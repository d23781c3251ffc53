"""UPGrad: every gradient projected on the cone of those that conflict with no term."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import cone_weights, unit
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class UPGrad(GramianAggregator):
    r"""Unconflicting projection: each gradient is projected on the dual cone, then they are averaged.

    .. math:: g = \frac{1}{m} \sum_i \pi(J_i), \quad \pi(x) = \arg\min_{y: J y \ge 0} \|y - x\|

    For two terms this is half of `PCGrad`.

    Reference:
        Quinton and Rey, Jacobian Descent for Multi-Objective Optimization, arXiv 2406.16232.

    Note:
        By scipy's non-negative least squares on the cosines; TorchJD regularises the problem, and takes the mean where
        the squared norm of J is below 1e-4.
    """

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of all projections together."""
        cosines, norms = unit(gram)
        m = len(gram)
        units = torch.eye(m, dtype=gram.dtype)
        added = torch.stack([norms[i] * cone_weights(cosines, units[i]) for i in range(m)]).sum(dim=0)
        return (1 + added / norms) / m
