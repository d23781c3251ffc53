"""Convolution-weighted points, in the style of CWP-PINN."""

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
from lightning_autobalance.variants.point_weights import PointWeights, relative
from lightning_autobalance.variants.seeded import Seeded


@final
class CWP(Seeded, PointWeights):
    r"""CWP-style weights: residuals averaged over neighbouring points give smooth weights, and new points.

    .. math:: \bar s = K r^2, \quad \lambda \leftarrow (1 - \eta) \lambda + \eta \bar s / \max \bar s, \quad
        L = \frac{1}{b} \sum_j \lambda_j r_j^2

    before each loss. K averages over the points within h, in coordinates scaled to the unit cube. Now and then the
    points of least weight give way to new ones, drawn in proportion to the averaged residuals; a new point's weight is
    the average of the weights around it.

    Args:
        eta: Learning rate of the weights.
        neighbours: About how many points an average takes: sets h from the number of points.
        radius: h itself, in place of that.
        resample_every: Steps from one replacement of points to the next; 0 never.
        share: How many of the points are replaced.
        candidates: How many points are drawn to choose from, as a multiple of the number of points.
        seed: Of the draws. By default that given to ``seed_everything``.
        part: Whose points are weighted.
        terms: Names of the loss terms; all that have one row per point of the part where None.

    Raises:
        ValueError: If a number is out of its range.

    Reference:
        After Si, Yan, 2025, "Convolution-weighting method for the physics-informed neural network", arXiv 2506.19805.

    Note:
        A reconstruction from the abstract: neither the full text nor code were at hand. Kernel, radius, normalisation,
        eta and the rule of replacement are ours.
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
        self._near: tuple[Tensor, Neighbours] | None = None  # follows from the points

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Find the terms and the domain."""
        self._domain: Domain = problem.domain
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:
        """See that the data's points stayed; replace some of those in use where it is time."""
        super().begin(context, points)
        if not self.current.numel():
            self.current = self.anchors
        every = self.resample_every
        if every and context.step and context.step % every == 0 and self.weights.numel():
            self._replace(context, points)
        self._around()

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points in use, in place of the data's."""
        return {**points, self.part: self.current.to(points[self.part])} if self.current.numel() else dict(points)

    def updated(self, weights: Tensor, sizes: Tensor) -> Tensor:
        """Move towards the averaged residuals."""
        return (1 - self.eta) * weights + self.eta * relative(
            self._around().average(gather_rows(sizes.square(), axis=1))
        )

    def _around(self) -> Neighbours:
        if self._near is None or self._near[0] is not self.current:
            self._near = (self.current, self._of(self.current, gather_rows(self.current)))
        return self._near[1]

    def _of(self, places: Tensor, points: Tensor) -> Neighbours:
        return find_neighbours(places, points, self._domain.bounds, self._h(points))

    def _h(self, points: Tensor) -> float:
        return self.radius if self.radius is not None else radius_for(self.neighbours, *points.shape)

    def _replace(self, context: StepContext, points: ByPart) -> None:
        weights, whole = gather_rows(self.weights, axis=1).clone(), gather_rows(self.current).clone()
        leave = round(self.share * len(whole))
        if not leave:
            return
        draws = Candidates(self.seed, self.part)
        fresh = draws.points(self._domain, self.candidates * len(whole), context.step, whole)
        squares = draws.squares(context, points, fresh, self.terms)
        smooth = local_means(fresh, squares, self._domain.bounds, self._h(whole))
        scores = (smooth / smooth.amax(dim=1, keepdim=True).clamp(min=torch.finfo(smooth.dtype).tiny)).sum(dim=0)
        fresh = fresh[draws.choose(scores, leave, context.step)]
        around = self._of(fresh, whole).average(weights)
        least = weights.sum(dim=0).argsort(stable=True)[:leave]
        weights[:, least], whole[least] = around, fresh
        self.weights, self.current = own_rows(weights, axis=1), own_rows(whole)
