"""PCGrad: gradients with conflicting components projected out."""

from typing import final

import numpy as np
import torch

from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.balancing.base import CallCounter
from lightning_autobalance.shapes import Gramian, Losses


@final
class PCGrad(CallCounter, GramianAggregator):
    r"""Projecting conflicting gradients: remove from each gradient its components against others, then sum.

    .. math:: z_i \leftarrow J_i; \quad \text{for } j \ne i: \;
        z_i \leftarrow z_i - \min(0, z_i \cdot J_j) \frac{J_j}{\|J_j\|^2}; \quad g = \sum_i z_i

    Args:
        seed: Seed of the random order in which a gradient meets the others; matters from three terms on.

    Reference:
        Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020.

    Note:
        Own implementation, because the order is then part of the state, and a resume is exact.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def weigh(self, gram: Gramian) -> Losses:
        """Weights of the rows in the sum of all projected ones."""
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
