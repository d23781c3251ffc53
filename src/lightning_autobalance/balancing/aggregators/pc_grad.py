"""PCGrad: gradients projected off each other."""

from typing import final

import numpy as np
import torch

from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.balancing.base import CountsCalls
from lightning_autobalance.shapes import Gramian, Losses


@final
class PCGrad(CountsCalls, GramianAggregator):
    r"""Projecting conflicting gradients: what of a gradient opposes another is taken off it; then they are summed.

    .. math:: z_i \leftarrow J_i; \quad \text{for } j \ne i: \;
        z_i \leftarrow z_i - \min(0, z_i \cdot J_j) \frac{J_j}{\|J_j\|^2}; \quad g = \sum_i z_i

    Args:
        seed: Of the order in which the others are visited; it matters from three terms on.

    Reference:
        Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020.

    Note:
        Ours beside TorchJD's: the order is part of the state, so that a resumed run goes on exactly.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def weigh(self, gram: Gramian) -> Losses:
        """How often each row counts in the sum of all projected ones."""
        rng = np.random.Generator(np.random.PCG64([self.seed, self._calls]))
        self._calls += 1
        total = torch.zeros(len(gram), dtype=gram.dtype)
        for i in range(len(gram)):
            row = torch.zeros_like(total)
            row[i] = 1.0
            for j in rng.permutation(len(gram)).tolist():
                if j != i and (product := float(row @ gram[:, j])) < 0:
                    row[j] -= product / float(gram[j, j])
            total += row
        return total
