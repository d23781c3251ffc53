"""Faces: pieces of a domain, each the image of a unit cube."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor


@dataclass(frozen=True)
class Face:
    """A piece of a domain, as the image of a unit cube.

    Args:
        dim: Dimension of the cube; 0 for a single point.
        place: Maps points of the cube, (n, dim), to points of the domain, (n, d), so that uniform points stay uniform;
            by operations of torch. Where ``rate`` is below 1, a row of NaN rejects a point.
        measure: Length, area or volume of the face; 1 for a single point. NaN if unknown.
        weight: How many of the part's points fall to this face, relative to its other faces.
        rate: Share of the cube that ``place`` accepts, in (0, 1].
        size: Number of points of a face that is a finite set, for which ``place`` divides (0, 1) into equal pieces, one
            per point. None is drawn twice.
    """

    dim: int
    place: Callable[[Tensor], Tensor]
    measure: float = nan
    weight: float = 1.0
    rate: float = 1.0
    size: int | None = None

    def points(self, unit: Tensor) -> Tensor:
        """Points of the face, (n, d); rows of NaN are rejected.

        Args:
            unit: Points of the cube, (n, dim).

        Raises:
            ValueError: If ``place`` returns anything but a tensor with one row per point.
        """
        points = self.place(unit)
        if not isinstance(points, Tensor) or points.dim() != 2 or len(points) != len(unit):
            found = tuple(points.shape) if isinstance(points, Tensor) else type(points).__name__
            raise ValueError(
                f"`place` of a `Face` must give a tensor of shape ({len(unit)}, d), by operations of torch such as "
                f"`torch.stack`, got {found}."
            )
        return points


def accepted(points: Tensor) -> Tensor:
    """Which points are not rejected, (n, d) to (n,)."""
    return ~torch.isnan(points).any(dim=1)


def some_points(face: Face) -> Tensor:
    """At most 64 points of a face, always the same, (n, d)."""
    found = face.points(torch.rand(64, face.dim, generator=torch.Generator().manual_seed(0)).double())
    return found[accepted(found)]


def where(accept: Tensor, points: Tensor) -> Tensor:
    """Points, (n, d), with rows of NaN where they are not accepted, (n,)."""
    return torch.where(accept[:, None], points, nan)


def single_point(place: Tensor) -> Face:
    """A face that is one point, (d,)."""
    return Face(0, _Constant(place), measure=1.0)


@dataclass(frozen=True)
class _Constant:
    place: Tensor

    def __call__(self, unit: Tensor) -> Tensor:
        return self.place.to(unit).expand(len(unit), -1)
