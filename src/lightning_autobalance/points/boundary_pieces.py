"""What is left of a face of the boundary when shapes are joined, cut or subtracted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.face import Face, where
from lightning_autobalance.points.rejection import TRIALS, rate_of
from lightning_autobalance.points.stretches import Keep, stretches


@dataclass(frozen=True)
class Side:
    """A part of the boundary of a shape that belongs to a combination.

    Args:
        shape: With ``distance`` and ``normal``.
        part: Of its boundary.
        sign: -1 where the shape is subtracted, which turns its normals.
    """

    shape: Domain
    part: str
    sign: int = 1

    def normal(self, x: Tensor) -> Tensor:
        """Outward unit normals of the combination, (b, d) to (b, d)."""
        return self.sign * self.shape.normal(x, self.part)


@dataclass(frozen=True)
class Piece:
    """A piece of a boundary: a face, and the side that it lies on."""

    face: Face
    side: Side

    def turned(self) -> "Piece":
        """The same as the boundary of what is outside."""
        return Piece(self.face, replace(self.side, sign=-self.side.sign))


@dataclass(frozen=True)
class OnBoundary:
    """Which points of a side are on the boundary of a combination: one step along the normal enters or leaves it.

    Args:
        whole: The combination.
        first: A shape whose boundary does not count, because the same piece comes from it, too; or none.
        side: The points are on it.
        step: How far to go; far less than any detail.
        edge: What rounding may do to a distance; far less than a step.
    """

    whole: Domain
    first: Domain | None
    side: Side
    step: float
    edge: float

    def __call__(self, points: Tensor) -> Tensor:
        """For points, (n, d), which are, (n,)."""
        across = self.step * self.side.normal(points)
        found = self._is_left(self.whole, points, across)
        return found if self.first is None else found & ~self._is_left(self.first, points, across)

    def _is_left(self, shape: Domain, points: Tensor, across: Tensor) -> Tensor:
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
        return stretches(face, keep, others, edge)
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
