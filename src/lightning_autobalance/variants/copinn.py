"""Cognitive PINN."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.utils.arguments import check_fraction, check_positive
from lightning_autobalance.utils.distributed import max_over_ranks, world_size
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo, StepContext
from lightning_autobalance.variants.part import PartVariant, by_points


@final
class CoPINN(PartVariant):
    r"""Cognitive PINN: easy points first, hard ones later, while the residual's loss fades altogether.

    .. math:: L = \frac{1}{b} \sum_j V_j r_j^2, \quad V_j = 1 - \frac{e - 1}{E} - \gamma \hat D_j, \quad
        \gamma = \left(1 - 2 \frac{e - 1}{E}\right) \beta

    in step e of E. The difficulty :math:`D_j = \| \partial r_j^2 / \partial x_j \|` is scaled to [0, 1] over the
    points. With the default beta the weights of easy and hard points differ by 0.1 %; what counts is that the weight
    of the residual falls linearly to zero, which cancels under post-combine.

    Args:
        beta: How much the weights differ.
        iterations: E. By default the ``max_steps`` of the Trainer.
        detach: Treat V as a constant. The authors' code differentiates through it.
        part: Whose points are weighted.
        terms: Names of the loss terms; all that have one row per point of the part where None.

    Raises:
        ValueError: If a number is out of its range.

    Reference:
        Duan, Wu, Hu, Ren, Peng, Sun, 2025, "CoPINN: Cognitive physics-informed neural networks", ICML, and the
        authors' code.

    Note:
        The authors train separable networks on grids and take the gradient by each axis; here it is that of each point.
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
        self.register_buffer("remaining", torch.ones(()))  # 1 - (e - 1) / E, exact where it matters: near 0

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Find the terms and the length of the run.

        Raises:
            ValueError: If the run has no end.
        """
        if self.iterations is None and problem.max_steps is None:
            raise ValueError("`iterations` of CoPINN must be given where `trainer.max_steps` is not, got neither.")
        self._length = self.iterations if self.iterations is not None else problem.max_steps
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:  # noqa: ARG002
        """Note how much of the run is left."""
        self.remaining.fill_(max(1.0 - context.step / (self._length or 1), 0.0))

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points, ready to be differentiated by."""
        return self.with_gradient(points)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The residuals, times the root of V."""
        weighted = dict(residuals)
        for term in self.terms:
            row = residuals[term]
            squares = row.square() if row.dim() == 1 else row.square().sum(dim=1)
            difficulty = by_points(squares, points[self.part], graph=not self.detach).norm(dim=1)
            weight = self.weights(difficulty).view(-1, *[1] * (row.dim() - 1))
            weighted[term] = row * weight.sqrt()
        return weighted

    def weights(self, difficulty: Tensor) -> Tensor:
        """V, (b,).

        Args:
            difficulty: D, (b,).
        """
        low, high = _span(difficulty)
        span = torch.where(high > low, high - low, torch.ones_like(high))
        remaining = self.remaining.to(difficulty)
        return remaining - (2 * remaining - 1) * self.beta * (difficulty - low) / span

    def numbers(self) -> dict[str, Tensor]:
        """The weight that the whole residual has left."""
        return {"residual_weight": self.remaining}


def _span(difficulty: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest, over all processes; differentiable in a single one."""
    if world_size() == 1:
        return difficulty.min(), difficulty.max()
    negative, high = max_over_ranks(torch.stack([-difficulty.min(), difficulty.max()])).unbind()
    return -negative, high
