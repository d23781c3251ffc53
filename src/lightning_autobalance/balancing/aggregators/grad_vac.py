"""GradVac: gradients turned towards the angles that they usually have."""

import math
from typing import final

import numpy as np
import torch
from torch import Tensor

from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.balancing.base import CountsCalls
from lightning_autobalance.shapes import Gramian, Losses


@final
class GradVac(CountsCalls, GramianAggregator):
    r"""Gradient vaccine: where two gradients are less alike than they used to be, one is turned towards the other.

    With the cosine :math:`\rho` of a pair and its running mean :math:`\hat\rho`, where :math:`\rho < \hat\rho`

    .. math:: z \leftarrow z + \frac{\|z\| (\hat\rho \sqrt{1 - \rho^2} - \rho \sqrt{1 - \hat\rho^2})}
        {\|J_j\| \sqrt{1 - \hat\rho^2}} J_j, \qquad \hat\rho \leftarrow (1 - \beta) \hat\rho + \beta \rho

    Args:
        beta: Rate of the running mean; LibMTL has 0.5, the paper 0.01.
        seed: Of the order in which the others are visited; it matters from three terms on.

    Raises:
        ValueError: If ``beta`` is not in [0, 1].

    Reference:
        Wang et al., Gradient Vaccine, ICLR 2021; LibMTL for the order of things.

    Note:
        Ours beside TorchJD's, whose state does not load into a fresh object.
    """

    targets: Tensor

    def __init__(self, beta: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        if not 0.0 <= beta <= 1.0:
            raise ValueError(f"`beta` must be in [0, 1], got {beta}.")
        self.beta = beta
        self.seed = seed
        self.register_buffer("targets", torch.empty(0, dtype=torch.float64))

    def weigh(self, gram: Gramian) -> Losses:
        """How often each row counts in the sum of all turned ones."""
        count = len(self.usable)
        if not self.targets.numel():
            self.targets = torch.zeros(count, count, dtype=torch.float64, device=self.targets.device)
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
                    self._turn(row, j, gram, targets, (rows[i], rows[j]))
            total += row
        self.targets = targets.to(self.targets.device)
        return total

    def _turn(self, row: Tensor, j: int, gram: Gramian, targets: Tensor, pair: tuple[int, int]) -> None:
        length, other = math.sqrt(max(float(row @ gram @ row), 0.0)), math.sqrt(float(gram[j, j]))
        if length == 0.0:
            return
        rho = min(1.0, max(-1.0, float(row @ gram[:, j]) / (length * other)))
        target = float(targets[pair])
        if rho < target and 1 - target * target > 1e-12:
            away, wanted = math.sqrt(1 - rho * rho), math.sqrt(1 - target * target)
            row[j] += length * (target * away - rho * wanted) / (other * wanted)
        targets[pair] = (1 - self.beta) * target + self.beta * rho
