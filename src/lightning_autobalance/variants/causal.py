"""Causal weights for time-dependent problems."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.utils.arguments import check_at_least, check_positive
from lightning_autobalance.utils.distributed import sum_over_ranks
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo
from lightning_autobalance.variants.part import PartVariant


@final
class Causal(PartVariant):
    r"""Causal training: later times gain weight only once the residuals at earlier times are small.

    .. math:: L = \frac{1}{M} \sum_{i=1}^{M} w_i L_i, \quad w_i = \exp \Bigl( -\epsilon \sum_{k < i} L_k \Bigr)

    The time span is divided into M equal intervals; :math:`L_i` is the mean squared residual of the points in interval
    i. The weights are treated as constants in the gradient.

    Args:
        tolerance: epsilon, >= 0. If too large, late times are never trained; if too small, all are trained at once.
            The log shows the smallest weight (``variant/weight_min``), which should reach 1.
        chunks: M, > 0.
        part: Part of the domain whose points are weighted.
        terms: Names of the loss terms to weight. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If an argument is out of range, or if the domain has no time.

    Reference:
        Wang, Sankaran, Perdikaris, 2024, "Respecting causality for training physics-informed neural networks",
        equation 3.6.

    Note:
        The sum runs over the mean losses of the intervals, as in the authors' code. Intervals without points count as
        zero.
    """

    has_fixed_losses = False  # the weights follow the residuals, and no derivative goes through them

    def __init__(
        self, tolerance: float = 1.0, chunks: int = 32, part: str = "interior", terms: list[str] | None = None
    ) -> None:
        super().__init__(part, terms)
        check_at_least("tolerance", tolerance, 0)
        check_positive("chunks", chunks)
        self.tolerance = tolerance
        self.chunks = chunks
        self._smallest: dict[str, Tensor] = {}

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms to weight, and the time axis.

        Raises:
            ValueError: If there is no term, or if the domain has no time.
        """
        self._time_axis = problem.time_axis("Causal")
        self._time_span = problem.domain.bounds[self._time_axis]
        return super().prepare(problem)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The residuals, times the square root of their interval's weight."""
        start, end = self._time_span
        t = points[self.part][:, self._time_axis].detach()
        chunk = ((t - start) / (end - start) * self.chunks).long().clamp(0, self.chunks - 1)
        membership = torch.nn.functional.one_hot(chunk, self.chunks).to(t)  # (b, M)
        count = sum_over_ranks(membership.sum(dim=0))
        weighted = dict(residuals)
        for term in self.terms:
            row = residuals[term]
            squares = row.detach().square().reshape(len(row), -1).mean(dim=1)
            losses = sum_over_ranks(squares.to(t) @ membership) / count.clamp(min=1)
            weights = torch.exp(-self.tolerance * (losses.cumsum(dim=0) - losses))
            self._smallest[term] = weights[-1]
            scale = weights * count.sum() / (count.clamp(min=1) * (count > 0).sum())  # every interval counts alike
            weighted[term] = row * scale[chunk].sqrt().view(-1, *[1] * (row.dim() - 1)).to(row)
        return weighted

    def numbers(self) -> dict[str, Tensor]:
        """The smallest weight of each term, that of the last interval."""
        return {f"weight_min/{term}": weight for term, weight in self._smallest.items()}
