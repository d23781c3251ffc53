"""GradVac: gradients rotated towards the angles that they usually have."""

import math
from typing import final

import numpy as np
import torch
from torch import Tensor

from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.balancing.base import CallCounter
from lightning_autobalance.shapes import Gramian, Losses
from lightning_autobalance.utils.arguments import check_interval


@final
class GradVac(CallCounter, GramianAggregator):
    r"""Gradient vaccine: if two gradients are less aligned than on average so far, one is rotated towards the other.

    With the cosine :math:`\rho` of a pair and its running mean :math:`\hat\rho`, whenever :math:`\rho < \hat\rho`

    .. math:: z \leftarrow z + \frac{\|z\| (\hat\rho \sqrt{1 - \rho^2} - \rho \sqrt{1 - \hat\rho^2})}
        {\|J_j\| \sqrt{1 - \hat\rho^2}} J_j, \qquad \hat\rho \leftarrow (1 - \beta) \hat\rho + \beta \rho

    Args:
        beta: Rate of the running mean, in [0, 1]; 0.5 in LibMTL, 0.01 in the paper.
        seed: Seed of the random order in which a gradient meets the others; matters from three terms on.

    Raises:
        ValueError: If ``beta`` is not in [0, 1].

    Reference:
        Wang et al., Gradient Vaccine, ICLR 2021; order of operations from LibMTL.

    Note:
        Own implementation, because the state of TorchJD's does not load into a new object.
    """

    targets: Tensor

    def __init__(self, beta: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        check_interval("beta", beta, 0, 1, ends="[]")
        self.beta = beta
        self.seed = seed
        self.register_buffer("targets", torch.empty(0, dtype=torch.float64))

    def weigh(self, gram: Gramian) -> Losses:
        """Weights of the rows in the sum of all rotated ones."""
        m = len(self.usable)
        if not self.targets.numel():
            self.targets = torch.zeros(m, m, dtype=torch.float64, device=self.targets.device)
        rows = self.usable.nonzero().squeeze(1).tolist()
        targets = self.targets.double().cpu()
        rng = np.random.Generator(np.random.PCG64([self.seed, self._calls]))
        self._calls += 1
        total = torch.zeros(len(gram), dtype=gram.dtype)
        for i in range(len(gram)):
            row = torch.zeros_like(total)
            row[i] = 1.0
            for j in rng.permutation(len(gram)).tolist():
                if j != i:
                    self._rotate(row, j, gram, targets, (rows[i], rows[j]))
            total += row
        self.targets = targets.to(self.targets.device)
        return total

    def _rotate(self, row: Tensor, j: int, gram: Gramian, targets: Tensor, pair: tuple[int, int]) -> None:
        norm, other = math.sqrt(max(float(row @ gram @ row), 0.0)), math.sqrt(float(gram[j, j]))
        if norm == 0.0:
            return
        rho = min(1.0, max(-1.0, float(row @ gram[:, j]) / (norm * other)))
        target = float(targets[pair])
        if rho < target and 1 - target * target > 1e-12:
            sine, target_sine = math.sqrt(1 - rho * rho), math.sqrt(1 - target * target)
            row[j] += norm * (target * sine - rho * target_sine) / (other * target_sine)
        targets[pair] = (1 - self.beta) * target + self.beta * rho
