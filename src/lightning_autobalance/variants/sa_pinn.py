"""Self-adaptive PINN."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor
from torch.optim.adam import adam

from lightning_autobalance.utils.arguments import check_positive
from lightning_autobalance.utils.distributed import sum_over_ranks
from lightning_autobalance.variants.base import ByPart, ByTerm
from lightning_autobalance.variants.point_weights import PointWeights, finite_or
from lightning_autobalance.variants.seeded import Seeded


@final
class SAPINN(Seeded, PointWeights):
    r"""Self-adaptive PINN: a weight per point that ascends the loss, while the network descends it.

    .. math:: \min_w \max_\lambda L(w, \lambda), \quad L = \frac{1}{b} \sum_j (\lambda_j r_j)^2

    Each step computes the loss with the current weights, then moves them by one Adam step along
    :math:`2 \lambda_j r_j^2 / b`. Initial weights are uniform in [0, 1).

    Args:
        lr: Learning rate of the weights, > 0.
        betas: Decay rates of the weights' Adam.
        seed: Seed of the initial weights. By default the one given to ``seed_everything``.
        part: Part of the domain whose points are weighted.
        terms: Names of the loss terms to weight. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If ``lr`` is not positive.

    Reference:
        McClenny, Braga-Neto, 2023, "Self-adaptive physics-informed neural networks", with the mask
        :math:`m(\lambda) = \lambda^2`. To weight the boundary as well, stack a second one with ``part: boundary``.
    """

    per_point: Mapping[str, int] = {"weights": 1, "anchors": 0, "exp_avg": 1, "exp_avg_sq": 1}
    exp_avg: Tensor
    exp_avg_sq: Tensor
    updates: Tensor

    def __init__(
        self,
        lr: float = 5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        seed: int | None = None,
        part: str = "interior",
        terms: list[str] | None = None,
    ) -> None:
        super().__init__(part, terms, inside=True, start=0.0)
        check_positive("lr", lr)
        self.lr = lr
        self.betas = betas
        self._set_seed(seed)
        self.register_buffer("exp_avg", torch.empty(0))
        self.register_buffer("exp_avg_sq", torch.empty(0))
        self.register_buffer("updates", torch.zeros(()))

    def start_weights(self, zeros: Tensor) -> None:
        """Draw the initial weights, uniform in [0, 1)."""
        draws = [self.draws([i], zeros.shape[1], 1)[:, 0] for i in range(len(zeros))]
        self.weights = torch.stack(draws).to(zeros)
        self.exp_avg, self.exp_avg_sq = zeros.clone(), zeros.clone()

    def learn(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """Apply the current weights, then update them."""
        sizes = self.sizes(residuals)
        rows = self.rows(points, residuals)
        self.weights = self.updated(self.weights, sizes)
        return rows

    def updated(self, weights: Tensor, sizes: Tensor) -> Tensor:
        """The weights after one step of Adam that ascends the loss."""
        ascended, count = weights.clone(), sizes.new_tensor(float(sizes.shape[1]))
        adam(
            [ascended],
            [finite_or(2 * weights * sizes.square() / sum_over_ranks(count), torch.zeros_like(weights))],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [self.updates],
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=True,
        )
        return ascended
