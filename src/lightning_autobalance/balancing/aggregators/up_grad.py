"""UPGrad: every gradient projected onto the dual cone, then averaged."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import cosines_and_norms, dual_cone_weights
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class UPGrad(GramianAggregator):
    r"""Unconflicting projection: the mean of all gradients, each projected onto the dual cone.

    .. math:: g = \frac{1}{m} \sum_i \pi(J_i), \quad \pi(x) = \arg\min_{y: J y \ge 0} \|y - x\|

    For two terms this is half of `PCGrad`.

    Reference:
        Quinton and Rey, Jacobian Descent for Multi-Objective Optimization, arXiv 2406.16232.

    Note:
        Solved by scipy's non-negative least squares on the cosines. TorchJD regularizes the problem, and takes the mean
        if the squared norm of J is below 1e-4.
    """

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of the mean of all projections."""
        cosines, norms = cosines_and_norms(gram)
        m = len(gram)
        units = torch.eye(m, dtype=gram.dtype)
        added = torch.stack([norms[i] * dual_cone_weights(cosines, units[i]) for i in range(m)]).sum(dim=0)
        return (1 + added / norms) / m
