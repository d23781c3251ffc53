"""Weights that belong to collocation points."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance.utils.distributed import max_over_ranks, sum_over_ranks
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo, StepContext
from lightning_autobalance.variants.part import PartVariant


class PointWeights(PartVariant):
    """One weight per point and term, remembered from step to step; the points must stay where they are.

    Args:
        part: Of the domain.
        terms: Names of the loss terms; all that have one row per point of the part where None.
        inside: Whether the weight stands inside the square, mean((w r)^2), or outside, mean(w r^2).
        start: The first weight.
    """

    has_point_weights = True
    per_point: Mapping[str, int] = {"weights": 1, "anchors": 0}
    weights: Tensor  # (t, b): by term and point
    anchors: Tensor  # (b, d): the points that they belong to

    def __init__(self, part: str, terms: list[str] | None, *, inside: bool, start: float) -> None:
        super().__init__(part, terms)
        self.inside = inside
        self.start = start
        self.first_step = False
        self.register_buffer("weights", torch.empty(0))
        self.register_buffer("anchors", torch.empty(0))
        self._seen: Tensor | None = None

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Find the terms; refuse points that are drawn anew.

        Raises:
            ValueError: If they are.
        """
        if problem.resample_every:
            raise ValueError(
                f"`data.resample_every` must be 0 with {type(self).__name__}, whose weights belong to points that "
                f"stay, got {problem.resample_every}. Or use a variant without weights per point, such as CoPINN."
            )
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:
        """See that the points are those that the weights belong to.

        Raises:
            ValueError: If they are not.
        """
        self.first_step = context.step == 0
        given = points[self.part]
        if not self.weights.numel():
            self.start_weights(given.new_zeros(len(self.terms), len(given)))
        if given is self._seen:
            return
        if not self.anchors.numel():
            self.anchors = given.detach().clone()
        elif given.shape != self.anchors.shape or not torch.equal(given, self.anchors.to(given)):
            raise ValueError(
                f"The points of {self.part!r} must stay the same with {type(self).__name__}, whose weights belong to "
                f"them, got other points at step {context.step}. Draw them once: `data.resample_every: 0`."
            )
        self._seen = given

    def learn(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """Bring the weights up to date, then apply them."""
        sizes = self.sizes(residuals)
        before = self.weights
        self.weights = known(self.updated(before.to(sizes), sizes), before)
        return self.rows(points, residuals)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:  # noqa: ARG002
        """The weighted residuals; as they are before the first step.

        Raises:
            ValueError: If there are other points than weights.
        """
        if not self.weights.numel():
            return dict(residuals)
        weighted = dict(residuals)
        for term, weight in zip(self.terms, self.weights if self.inside else self.weights.sqrt(), strict=True):
            row = residuals[term]
            if len(row) != len(weight):
                raise ValueError(
                    f"{type(self).__name__} must see the points that its weights belong to, {len(weight)} of "
                    f"{self.part!r}, got {len(row)}."
                )
            weighted[term] = row * weight.view(-1, *[1] * (row.dim() - 1)).to(row)
        return weighted

    def sizes(self, residuals: ByTerm) -> Tensor:
        """Norms of the residuals by term and point, (t, b).

        Args:
            residuals: By term, each (b,) or (b, k).
        """
        return torch.stack([_length(residuals[term].detach()) for term in self.terms])

    def start_weights(self, zeros: Tensor) -> None:
        """Set the weights before the first step, (t, b).

        Args:
            zeros: Of their shape.
        """
        self.weights = torch.full_like(zeros, self.start)

    @abstractmethod
    def updated(self, weights: Tensor, sizes: Tensor) -> Tensor:
        """The weights of this step, (t, b).

        Args:
            weights: Those before, (t, b).
            sizes: Norms of the residuals by term and point, (t, b).
        """

    def numbers(self) -> dict[str, Tensor]:
        """Mean and largest weight of each term."""
        found: dict[str, Tensor] = {}
        for term, weight in zip(self.terms, self.weights, strict=False):
            sums = sum_over_ranks(torch.stack([weight.sum(), torch.full_like(weight[0], len(weight))]))
            found |= {f"weight_mean/{term}": sums[0] / sums[1], f"weight_max/{term}": max_over_ranks(weight.max())}
        return found


def _length(residual: Tensor) -> Tensor:
    """(b,) or (b, k) to its length at each point, (b,)."""
    return residual.abs() if residual.dim() == 1 else residual.norm(dim=1)


def relative(sizes: Tensor) -> Tensor:
    """By the largest of each term; zeros where all are zero.

    Args:
        sizes: By term and point, not negative, (t, b).
    """
    most = max_over_ranks(sizes.amax(dim=1, keepdim=True))
    return sizes / torch.where(most > 0, most, torch.ones_like(most))


def known(new: Tensor, old: Tensor) -> Tensor:
    """The new values, the old ones where the new are not finite: a step that is not taken leaves no trace.

    Args:
        new: Of any shape.
        old: Of the same.
    """
    return torch.where(torch.isfinite(new), new, old.to(new))
