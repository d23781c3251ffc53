"""What is left of a face of the boundary when shapes are joined, cut or subtracted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.face import Face, where
from lightning_autobalance.points.polyline import stretch
from lightning_autobalance.points.rejection import TRIALS, rate_of

Keep = Callable[[Tensor], Tensor]
PARTS = 64  # of a curve, twice again where another shape is near: details of 1 / 262,144 of its length are found
SHORTEST = 1e-9  # stretch of a curve that counts, of its length


@dataclass(frozen=True)
class Leaf:
    """A shape at the end of a tree of combinations.

    Args:
        shape: With ``distance`` and ``normal``.
        sign: -1 where it is subtracted, which turns its normals.
    """

    shape: Domain
    sign: int = 1

    def normal(self, x: Tensor, side: str) -> Tensor:
        """Outward unit normals of what the shape is part of, (b, d) to (b, d)."""
        return self.sign * self.shape.normal(x, side)


@dataclass(frozen=True)
class Piece:
    """A piece of a boundary: a face, the number of the leaf that it comes from, and the side of that leaf."""

    face: Face
    leaf: int
    side: str


@dataclass(frozen=True)
class OnBoundary:
    """Which points of a leaf are on the boundary of a combination: one step along the normal enters or leaves it.

    Args:
        whole: The combination.
        first: A part of it whose boundary does not count, where the same piece comes from it, too; or none.
        leaf: The points are on its boundary.
        side: Of the leaf.
        step: How far to go; far less than any detail.
        edge: What rounding may do to a distance; far less than a step.
    """

    whole: Domain
    first: Domain | None
    leaf: Leaf
    side: str
    step: float
    edge: float

    def __call__(self, points: Tensor) -> Tensor:
        across = self.step * self.leaf.normal(points, self.side)
        found = self._left(self.whole, points, across)
        return found if self.first is None else found & ~self._left(self.first, points, across)

    def _left(self, shape: Domain, points: Tensor, across: Tensor) -> Tensor:
        return (shape.distance(points - across) <= self.edge) & (shape.distance(points + across) > self.edge)


def kept(face: Face, keep: Keep, others: Sequence[Domain], edge: float) -> tuple[Face, ...]:
    """What is left of a face: exact stretches of a curve; of a surface, a map that rejects the rest.

    Args:
        face: Of a boundary.
        keep: Which points are left, (n, d) to (n,).
        others: The shapes whose boundaries are the only ones at which that changes.
        edge: What rounding may do to a distance.
    """
    if face.dim == 0:
        return (face,) if keep(face.points(torch.zeros(1, 0, dtype=torch.float64))).all() else ()
    if face.dim == 1 and face.rate == 1.0:
        return _stretches(face, keep, others, edge)
    place = _Kept(face.place, keep)
    rate = rate_of(place, face.dim)
    measure = face.measure * rate / face.rate
    # Below 1, so that points of a detail that no trial found are rejected, too.
    found = Face(face.dim, place, measure=measure, weight=measure, rate=min(rate, 1 - 1 / TRIALS))
    return (found,) if rate else ()


@dataclass(frozen=True)
class _Kept:
    place: Callable[[Tensor], Tensor]
    keep: Keep

    def __call__(self, unit: Tensor) -> Tensor:
        points = self.place(unit)
        return where(self.keep(points), points)


def _stretches(face: Face, keep: Keep, others: Sequence[Domain], edge: float) -> tuple[Face, ...]:
    stops = torch.cat([torch.tensor([0.0, 1.0], dtype=torch.float64), _crossings(face, others, edge)]).unique()
    within = keep(face.points(((stops[1:] + stops[:-1]) / 2)[:, None])).tolist()
    runs: list[tuple[float, float]] = []
    for low, high, inside in zip(stops[:-1].tolist(), stops[1:].tolist(), within, strict=True):
        if inside and runs and runs[-1][1] == low:
            runs[-1] = runs[-1][0], high
        elif inside:
            runs.append((low, high))
    return tuple(_between(face, low, high) for low, high in runs if high - low > SHORTEST)


def _between(face: Face, low: float, high: float) -> Face:
    if (low, high) == (0.0, 1.0):
        return replace(face, weight=face.measure)
    measure = face.measure * (high - low)
    return Face(1, stretch(face.place, low, high), measure=measure, weight=measure)


def _crossings(face: Face, others: Sequence[Domain], edge: float) -> Tensor:
    """Where in [0, 1] a curve enters, leaves or meets the boundary of another shape, by bisection."""

    def away(t: Tensor) -> Tensor:
        points = face.points(t[:, None])
        return torch.stack([other.distance(points) for other in others], dim=1)

    t = torch.linspace(0, 1, PARTS + 1, dtype=torch.float64)
    for _ in range(2):  # a distance changes by no more than the length of the curve
        least, gap = away(t).abs().min(dim=1).values - edge, t.diff()
        near = ~(torch.minimum(least[1:], least[:-1]) > face.measure * gap)
        t = torch.cat([t, (t[:-1, None] + gap[:, None] * torch.arange(1, PARTS) / PARTS)[near].flatten()]).sort().values
    distance = away(t)
    state = torch.where(distance.abs() <= edge, 0.0, distance.sign())
    at, other = (state[1:] != state[:-1]).nonzero().T
    if not len(at):
        return t[:0]
    low, high, crosses = t[at], t[at + 1], state[at, other] * state[at + 1, other] < 0

    def side(t: Tensor) -> Tensor:
        found = away(t)[torch.arange(len(t)), other]
        return torch.where(crosses, found < 0, found.abs() <= edge)

    start = side(low)
    for _ in range(55):
        middle = (low + high) / 2
        same = side(middle) == start
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return high
