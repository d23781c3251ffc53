"""The base class of all domains: named parts, made of faces that are images of unit cubes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.utils.arguments import check_at_least

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """A piece of a domain, as the image of a unit cube.

    Args:
        dim: Dimension of the cube; 0 for a single point.
        place: Maps points of the cube, (n, dim), to points of the domain, (n, d), so that uniform points stay uniform;
            by operations of torch.
    """

    dim: int
    place: Callable[[Tensor], Tensor]

    def points(self, unit: Tensor) -> Tensor:
        """Points of the face.

        Args:
            unit: Points of the cube, (n, dim).

        Returns:
            (n, d).

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


class Domain(ABC):
    """Where a PDE holds: coordinates, and parts with names such as "interior" and "boundary"."""

    @property
    @abstractmethod
    def coordinates(self) -> tuple[str, ...]:
        """Single letters, one per coordinate; time is "t" and comes last."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The bounding box, (low, high) per coordinate."""

    @abstractmethod
    def _faces(self) -> dict[str, tuple[Face, ...]]:
        """The faces of each part."""

    @abstractmethod
    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the domain or on its edge.

        Args:
            points: (n, d).

        Returns:
            (n,).
        """

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(self._faces())

    def faces(self, part: str) -> tuple[Face, ...]:
        """The faces of a part.

        Raises:
            ValueError: If there is no such part.
        """
        faces = self._faces()
        if part not in faces:
            close = get_close_matches(part, faces, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"`part` must be one of {', '.join(faces)}, got {part!r}.{hint}")
        return faces[part]

    def grid(self, count: int) -> Array:
        """A regular grid over the domain, its edge included, for evaluation.

        Args:
            count: About how many points; ``round(count ** (1 / d))``, at least 2, along each axis of the bounding box,
                of which those outside the domain are left out.

        Returns:
            (n, d), the first coordinate varying slowest.

        Raises:
            ValueError: If ``count`` is not positive, or so small that no point lies in the domain.
        """
        check_at_least("count", count, 1)
        along = max(2, round(count ** (1 / len(self.bounds))))
        axes = [np.linspace(low, high, along) for low, high in self.bounds]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        found = points[self.contains(points)]
        if not len(found):
            raise ValueError(f"`count` must put points into the domain, got {count}, none inside. Take a larger one.")
        return found


def rounded_inside(domain: Domain, points: Array, dtype: torch.dtype) -> Tensor:
    """Points in another floating point type, none outside the domain because of it: the float32 of pi is above pi.

    Args:
        domain: The points lie in it.
        points: (n, d), float64.
        dtype: Of the result.

    Returns:
        (n, d) on the CPU; those that rounding moved out lie one number further in, and are left out where that is not
        enough.
    """
    low, high = torch.tensor(domain.bounds, dtype=torch.float64).T
    rounded = torch.as_tensor(points, dtype=torch.float64).to(dtype)
    outside = ~torch.from_numpy(domain.contains(rounded.double().numpy()))
    center = ((low + high) / 2).to(dtype).expand_as(rounded)
    rounded[outside] = torch.nextafter(rounded[outside], center[outside])
    return rounded[torch.from_numpy(domain.contains(rounded.double().numpy()))]


def checked_bounds(name: str, bounds: tuple[float, float]) -> tuple[float, float]:
    """Both as floats, if they are finite numbers in increasing order.

    Args:
        name: Name of the argument, for the error.
        bounds: (low, high).

    Raises:
        ValueError: If they are not.
    """
    two = isinstance(bounds, Sequence) and len(bounds) == 2 and all(isinstance(b, int | float) for b in bounds)
    if not two or not all(isfinite(b) for b in bounds) or not bounds[0] < bounds[1]:
        raise ValueError(f"`{name}` must be two finite numbers (low, high) with low < high, got {bounds}.")
    return float(bounds[0]), float(bounds[1])


def rounding(low: float, high: float) -> float:
    """How far rounding can move a point on the edge of an interval; it grows with the distance from the origin."""
    return 1e-12 * (high - low) + 4 * float(np.finfo(np.float64).eps) * max(abs(low), abs(high))


def inside(points: Array, bounds: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Which points lie in a box, up to rounding.

    Args:
        points: (n, d).
        bounds: (low, high) per coordinate.
    """
    low, high = np.array(bounds).T
    slack = np.array([rounding(*b) for b in bounds])
    found: NDArray[np.bool_] = ((points >= low - slack) & (points <= high + slack)).all(axis=1)
    return found
