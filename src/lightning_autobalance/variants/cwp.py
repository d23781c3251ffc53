"""Convolution-weighted points, after CWP-PINN."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from lightning_autobalance.points import Domain
from lightning_autobalance.utils.arguments import check_at_least, check_fraction, check_positive
from lightning_autobalance.utils.distributed import gather_rows, own_rows
from lightning_autobalance.variants.base import ByPart, ProblemInfo, StepContext
from lightning_autobalance.variants.candidates import Candidates
from lightning_autobalance.variants.neighbours import Neighbours, find_neighbours, local_means, radius_for
from lightning_autobalance.variants.point_weights import PointWeights, relative_to_largest
from lightning_autobalance.variants.seeded import Seeded


@final
class CWP(Seeded, PointWeights):
    r"""CWP-style weights: squared residuals, averaged over neighbouring points, set weights and guide resampling.

    .. math:: \bar s = K r^2, \quad \lambda \leftarrow (1 - \eta) \lambda + \eta \bar s / \max \bar s, \quad
        L = \frac{1}{b} \sum_j \lambda_j r_j^2

    updated before each loss. K averages over the points within a radius h, in coordinates scaled to the unit cube.
    Every ``resample_every`` steps the points of smallest weight are replaced by new ones, drawn with probability
    proportional to the averaged squared residuals; a new point's weight is the average of the weights around it.

    Args:
        eta: Learning rate of the weights, in [0, 1].
        neighbours: Expected number of points per average, > 0; determines h.
        radius: h itself, > 0, in place of ``neighbours``.
        resample_every: Optimizer steps between two replacements of points; 0 never replaces any.
        share: Fraction of the points to replace, in [0, 1].
        candidates: Number of candidates to choose from, as a multiple of the number of points.
        seed: Seed of the candidates. By default the one given to ``seed_everything``.
        part: Part of the domain whose points are weighted.
        terms: Names of the loss terms to weight. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        After Si, Yan, 2025, "Convolution-weighting method for the physics-informed neural network", arXiv 2506.19805.

    Note:
        A reconstruction from the abstract: neither the full text nor code was available. The kernel, the radius, the
        normalization, eta and the replacement rule are ours.
    """

    replaces_points = True
    per_point: Mapping[str, int] = {"weights": 1, "anchors": 0, "current": 0}
    current: Tensor

    def __init__(
        self,
        eta: float = 0.1,
        neighbours: float = 10.0,
        radius: float | None = None,
        resample_every: int = 1000,
        share: float = 0.2,
        candidates: int = 10,
        seed: int | None = None,
        part: str = "interior",
        terms: list[str] | None = None,
    ) -> None:
        super().__init__(part, terms, inside=False, start=1.0)
        for name, value in {"eta": eta, "share": share}.items():
            check_fraction(name, value)
        for name, number in {"neighbours": neighbours, "radius": 1.0 if radius is None else radius}.items():
            check_positive(name, number)
        check_at_least("resample_every", resample_every, 0)
        check_at_least("candidates", candidates, 1)
        self.eta = eta
        self.neighbours = neighbours
        self.radius = radius
        self.resample_every = resample_every
        self.share = share
        self.candidates = candidates
        self._set_seed(seed)
        self.register_buffer("current", torch.empty(0))  # the points in use, (b, d)
        self._cache: tuple[Tensor, Neighbours] | None = None  # the points in use, and their neighbours

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms to weight, and the domain."""
        self._domain: Domain = problem.domain
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Check that the data's points are the same; replace some of the points in use when due."""
        super().begin(context, points)
        if not self.current.numel():
            self.current = self.anchors
        every = self.resample_every
        if every and context.step and context.step % every == 0 and self.weights.numel():
            self._resample(context, points)
        self._find_neighbours()  # here, outside of compiled code

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points in use, in place of the data's."""
        return {**points, self.part: self.current.to(points[self.part])} if self.current.numel() else dict(points)

    def updated(self, weights: Tensor, sizes: Tensor) -> Tensor:
        """Move the weights towards the relative averaged residuals."""
        return (1 - self.eta) * weights + self.eta * relative_to_largest(
            self._find_neighbours().average(gather_rows(sizes.square(), axis=1))
        )

    def _find_neighbours(self) -> Neighbours:
        if self._cache is None or self._cache[0] is not self.current:
            self._cache = (self.current, self._neighbours_of(self.current, gather_rows(self.current)))
        return self._cache[1]

    def _neighbours_of(self, places: Tensor, points: Tensor) -> Neighbours:
        return find_neighbours(places, points, self._domain.bounds, self._radius_for(points))

    def _radius_for(self, points: Tensor) -> float:
        return self.radius if self.radius is not None else radius_for(self.neighbours, *points.shape)

    def _resample(self, context: StepContext, points: ByPart) -> None:
        weights, current = gather_rows(self.weights, axis=1).clone(), gather_rows(self.current).clone()
        count = round(self.share * len(current))
        if not count:
            return
        candidates = Candidates(self.seed, self.part)
        drawn = candidates.points(self._domain, self.candidates * len(current), context.step, current)
        squares = candidates.squares(context, points, drawn, self.terms)
        smooth = local_means(drawn, squares, self._domain.bounds, self._radius_for(current))
        scores = (smooth / smooth.amax(dim=1, keepdim=True).clamp(min=torch.finfo(smooth.dtype).tiny)).sum(dim=0)
        new = drawn[candidates.choose(scores, count, context.step)]
        smallest = weights.sum(dim=0).argsort(stable=True)[:count]
        weights[:, smallest], current[smallest] = self._neighbours_of(new, current).average(weights), new
        self.weights, self.current = own_rows(weights, axis=1), own_rows(current)
