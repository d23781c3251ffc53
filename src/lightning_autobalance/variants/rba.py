"""Residual-based attention."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.utils.arguments import check_at_least, check_fraction
from lightning_autobalance.variants.point_weights import PointWeights, relative_to_largest


@final
class RBA(PointWeights):
    r"""Residual-based attention: points with large residuals gain weight, while all weights decay.

    .. math:: \lambda_j \leftarrow \gamma \lambda_j + \eta \frac{|r_j|}{\max_l |r_l|}, \quad
        L = \frac{1}{b} \sum_j (\lambda_j r_j)^2

    updated before each loss; weights stay below :math:`\eta / (1 - \gamma)`. For a residual with several components,
    :math:`|r_j|` is the Euclidean norm.

    Args:
        eta: Learning rate of the weights, >= 0.
        gamma: Decay factor of the weights per step, in [0, 1].
        inside: Put the weight inside the square, as in the authors' PyTorch release, or outside,
            :math:`\frac{1}{b} \sum_j \lambda_j r_j^2`, as in their JAX release (there with gamma 0.9999).
        start: Initial weight, >= 0. With 0 the loss of the residual starts at zero, which only a post-combine
            optimizer compensates for.
        floor: Lower bound of the weights, added to each (JAX release: ``lam_min``).
        jump_start: Use eta = 1 in the first step (PyTorch release: ``init=2``).
        part: Part of the domain whose points are weighted.
        terms: Names of the loss terms to weight. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Anagnostopoulos, Toscano, Stergiopulos, Karniadakis, 2024, "Residual-based attention in physics-informed neural
        networks", equation 7.
    """

    def __init__(
        self,
        eta: float = 1e-3,
        gamma: float = 0.999,
        inside: bool = True,
        start: float = 0.0,
        floor: float = 0.0,
        jump_start: bool = False,
        part: str = "interior",
        terms: list[str] | None = None,
    ) -> None:
        super().__init__(part, terms, inside=inside, start=start)
        for name, value in {"eta": eta, "start": start, "floor": floor}.items():
            check_at_least(name, value, 0)
        check_fraction("gamma", gamma)
        self.eta = eta
        self.gamma = gamma
        self.floor = floor
        self.jump_start = jump_start

    def updated(self, weights: Tensor, sizes: Tensor) -> Tensor:
        """Decay the weights, and add the relative residuals."""
        eta = 1.0 if self.jump_start and self.first_step else self.eta
        decayed = self.gamma * (weights - self.floor).clamp(min=0)
        return torch.add(decayed, relative_to_largest(sizes), alpha=eta) + self.floor
