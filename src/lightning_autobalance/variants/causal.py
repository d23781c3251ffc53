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
    r"""Causal training: a later time counts only once the residuals before it are small.

    .. math:: L = \frac{1}{M} \sum_{i=1}^{M} w_i L_i, \quad w_i = \exp \Bigl( -\epsilon \sum_{k < i} L_k \Bigr)

    The span of time is cut into M equal pieces; :math:`L_i` is the mean squared residual of the points in piece i. The
    weights are constants for the gradient.

    Args:
        tolerance: epsilon. Too large: late times never start. Too small: all start at once. The log shows the least
            weight (``variant/weight_min``), which should reach 1.
        chunks: M.
        part: Whose points are weighted.
        terms: Names of the loss terms; all that have one row per point of the part where None.

    Raises:
        ValueError: If a number is out of its range, or the domain has no time.

    Reference:
        Wang, Sankaran, Perdikaris, 2024, "Respecting causality for training physics-informed neural networks",
        equation 3.6.

    Note:
        The sum runs over the mean losses of the pieces, as in the authors' code. Pieces without points count as zero.
    """

    def __init__(
        self, tolerance: float = 1.0, chunks: int = 32, part: str = "interior", terms: list[str] | None = None
    ) -> None:
        super().__init__(part, terms)
        check_at_least("tolerance", tolerance, 0)
        check_positive("chunks", chunks)
        self.tolerance = tolerance
        self.chunks = chunks
        self._least: dict[str, Tensor] = {}

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Find the terms and the axis of time.

        Raises:
            ValueError: If there is none.
        """
        coordinates = problem.domain.coordinates
        if "t" not in coordinates:
            raise ValueError(
                f"Causal needs a domain with a coordinate t, got {coordinates}. Use a `TimeCylinder`, or another "
                "variant for a problem without time."
            )
        self._column = coordinates.index("t")
        self._span = problem.domain.bounds[self._column]
        return super().prepare(problem)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The residuals, times the root of their piece's weight."""
        start, end = self._span
        t = points[self.part][:, self._column].detach()
        piece = ((t - start) / (end - start) * self.chunks).long().clamp(0, self.chunks - 1)
        member = torch.nn.functional.one_hot(piece, self.chunks).to(t)  # (b, M)
        count = sum_over_ranks(member.sum(dim=0))
        weighted = dict(residuals)
        for term in self.terms:
            row = residuals[term]
            squares = row.detach().square().reshape(len(row), -1).mean(dim=1)
            losses = sum_over_ranks(squares.to(t) @ member) / count.clamp(min=1)
            weights = torch.exp(-self.tolerance * (losses.cumsum(dim=0) - losses))
            self._least[term] = weights[-1]
            share = weights * count.sum() / (count.clamp(min=1) * (count > 0).sum())  # every piece counts alike
            weighted[term] = row * share[piece].sqrt().view(-1, *[1] * (row.dim() - 1)).to(row)
        return weighted

    def numbers(self) -> dict[str, Tensor]:
        """The least weight of each term, that of the last piece."""
        return {f"weight_min/{term}": least for term, least in self._least.items()}
