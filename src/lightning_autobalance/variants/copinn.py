"""CoPINN, cognitive PINN: points are weighted from easy to hard as training goes on."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.utils.arguments import check_fraction, check_positive
from lightning_autobalance.utils.distributed import max_over_ranks, world_size
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo, StepContext
from lightning_autobalance.variants.part import PartVariant, by_points


@final
class CoPINN(PartVariant):
    r"""Cognitive PINN: easy points first, hard ones later, while the weight of the whole residual decays to zero.

    .. math:: L = \frac{1}{b} \sum_j V_j r_j^2, \quad V_j = 1 - \frac{e - 1}{E} - \gamma \hat D_j, \quad
        \gamma = \left(1 - 2 \frac{e - 1}{E}\right) \beta

    in step e of E, where :math:`\hat D_j` is the difficulty :math:`D_j = \| \partial r_j^2 / \partial x_j \|`, scaled
    to [0, 1] over the points. With the default beta the weights of easy and hard points differ by 0.1 %; the main
    effect is that the weight of the residual decreases linearly to zero, which cancels under post-combine.

    Args:
        beta: Largest difference between the weights of two points, in [0, 1].
        iterations: E, > 0. By default the ``max_steps`` of the Trainer.
        detach: Treat V as a constant in the gradient. The authors' code differentiates through it.
        part: Part of the domain whose points are weighted.
        terms: Names of the loss terms to weight. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Duan, Wu, Hu, Ren, Peng, Sun, 2025, "CoPINN: Cognitive physics-informed neural networks", ICML, and the
        authors' code.

    Note:
        The authors train separable networks on grids and differentiate by each axis; here the gradient is taken by the
        coordinates of each point.
    """

    remaining: Tensor

    def __init__(
        self,
        beta: float = 1e-3,
        iterations: int | None = None,
        detach: bool = True,
        part: str = "interior",
        terms: list[str] | None = None,
    ) -> None:
        super().__init__(part, terms)
        check_fraction("beta", beta)
        if iterations is not None:
            check_positive("iterations", iterations)
        self.beta = beta
        self.iterations = iterations
        self.detach = detach
        self.register_buffer("remaining", torch.ones(()))  # 1 - (e - 1) / E

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms to weight, and the length of the run.

        Raises:
            ValueError: If there is no term, or if neither ``iterations`` nor the Trainer says how long the run is.
        """
        if self.iterations is None and problem.max_steps is None:
            raise ValueError("`iterations` of CoPINN must be given where `trainer.max_steps` is not, got neither.")
        self.total_steps = self.iterations if self.iterations is not None else problem.max_steps
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:  # noqa: ARG002
        """Update the remaining share of the run."""
        self.remaining.fill_(max(1.0 - context.step / (self.total_steps or 1), 0.0))

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points, with those of the part requiring grad."""
        return self.with_gradient(points)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The residuals, times the square root of V."""
        weighted = dict(residuals)
        for term in self.terms:
            row = residuals[term]
            squares = row.square() if row.dim() == 1 else row.square().sum(dim=1)
            difficulty = by_points(squares, points[self.part], graph=not self.detach).norm(dim=1)
            weight = self.weights(difficulty).view(-1, *[1] * (row.dim() - 1))
            weighted[term] = row * weight.sqrt()
        return weighted

    def weights(self, difficulty: Tensor) -> Tensor:
        """V at each point, (b,).

        Args:
            difficulty: D at each point, (b,).
        """
        low, high = _min_and_max(difficulty)
        span = torch.where(high > low, high - low, torch.ones_like(high))
        remaining = self.remaining.to(difficulty)
        return remaining - (2 * remaining - 1) * self.beta * (difficulty - low) / span

    def numbers(self) -> dict[str, Tensor]:
        """The weight of the residual that is left, 1 - (e - 1) / E."""
        return {"residual_weight": self.remaining}


def _min_and_max(difficulty: Tensor) -> tuple[Tensor, Tensor]:
    """Over the points of all processes; differentiable in a single process only."""
    if world_size() == 1:
        return difficulty.min(), difficulty.max()
    negative, high = max_over_ranks(torch.stack([-difficulty.min(), difficulty.max()])).unbind()
    return -negative, high
