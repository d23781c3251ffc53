"""The base of variants with a weight per collocation point."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance.utils.distributed import max_over_ranks, sum_over_ranks
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo, StepContext
from lightning_autobalance.variants.part import PartVariant


class PointWeights(PartVariant):
    """One weight per loss term and point, updated in every step; the points must stay the same.

    Args:
        part: Part of the domain whose points are weighted.
        terms: Names of the loss terms to weight. By default all with exactly one row per point of the part.
        inside: Put the weight inside the square, mean((w r)^2), or outside, mean(w r^2).
        start: Initial weight of every point.
    """

    has_point_weights = True
    per_point: Mapping[str, int] = {"weights": 1, "anchors": 0}
    weights: Tensor  # (t, b), by term and point
    anchors: Tensor  # (b, d), the points that the weights belong to

    def __init__(self, part: str, terms: list[str] | None, *, inside: bool, start: float) -> None:
        super().__init__(part, terms)
        self.inside = inside
        self.start = start
        self.first_step = False
        self.register_buffer("weights", torch.empty(0))
        self.register_buffer("anchors", torch.empty(0))
        self._checked: Tensor | None = None  # the tensor last compared with the anchors

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms to weight.

        Raises:
            ValueError: If there is none, or if the data resamples its points.
        """
        if problem.resample_every:
            raise ValueError(
                f"`data.resample_every` must be 0 with {type(self).__name__}, whose weights belong to points that "
                f"stay, got {problem.resample_every}. Or use a variant without weights per point, such as CoPINN."
            )
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Initialize the weights in the first step; later check that the points are still the same.

        Raises:
            ValueError: If the points changed.
        """
        self.first_step = context.step == 0
        given = points[self.part]
        if not self.weights.numel():
            self.start_weights(given.new_zeros(len(self.terms), len(given)))
        if given is self._checked:
            return
        if not self.anchors.numel():
            self.anchors = given.detach().clone()
        elif given.shape != self.anchors.shape or not torch.equal(given, self.anchors.to(given)):
            name = type(self).__name__
            remedy = (
                "Draw them once: `data.resample_every: 0`."
                if context.step
                else f"They are those of an earlier `fit`: give the module a new one, `module.variant = {name}(...)`."
            )
            raise ValueError(
                f"The points of {self.part!r} must stay the same with {name}, whose weights belong to them, got other "
                f"points at step {context.step}. {remedy}"
            )
        self._checked = given

    def learn(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """Update the weights, then apply them."""
        sizes = self.sizes(residuals)
        before = self.weights
        self.weights = finite_or(self.updated(before.to(sizes), sizes), before)
        return self.rows(points, residuals)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:  # noqa: ARG002
        """The weighted residuals; unweighted before the first step.

        Raises:
            ValueError: If the number of points is not that of the weights.
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
        """Euclidean norm of each term's residual at each point, (t, b).

        Args:
            residuals: By term, each (b,) or (b, k).
        """
        return torch.stack([_norm(residuals[term].detach()) for term in self.terms])

    def start_weights(self, zeros: Tensor) -> None:
        """Set the initial ``weights``, (t, b).

        Args:
            zeros: A tensor of their shape, dtype and device, (t, b).
        """
        self.weights = torch.full_like(zeros, self.start)

    @abstractmethod
    def updated(self, weights: Tensor, sizes: Tensor) -> Tensor:
        """The weights of this step, (t, b).

        Args:
            weights: Weights of the previous step, (t, b).
            sizes: Norms of this step's residuals, (t, b).
        """

    def numbers(self) -> dict[str, Tensor]:
        """Mean and largest weight of each term."""
        found: dict[str, Tensor] = {}
        for term, weight in zip(self.terms, self.weights, strict=False):
            sums = sum_over_ranks(torch.stack([weight.sum(), torch.full_like(weight[0], len(weight))]))
            found |= {f"weight_mean/{term}": sums[0] / sums[1], f"weight_max/{term}": max_over_ranks(weight.max())}
        return found


def _norm(residual: Tensor) -> Tensor:
    """The Euclidean norm at each point, (b,), of a residual (b,) or (b, k)."""
    return residual.abs() if residual.dim() == 1 else residual.norm(dim=1)


def relative_to_largest(sizes: Tensor) -> Tensor:
    """Divide by the largest value of each row, over all processes; rows of zeros stay zero.

    Args:
        sizes: By term and point, >= 0, (t, b).
    """
    largest = max_over_ranks(sizes.amax(dim=1, keepdim=True))
    return sizes / torch.where(largest > 0, largest, torch.ones_like(largest))


def finite_or(new: Tensor, old: Tensor) -> Tensor:
    """The new values where they are finite, elsewhere the old: a step skipped for a NaN must not spoil the weights."""
    return torch.where(torch.isfinite(new), new, old.to(new))
