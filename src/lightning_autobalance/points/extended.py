"""A domain times an interval of one more coordinate."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.face import Face
from lightning_autobalance.points.rounding import Array, Bounds, checked_bounds, inside
from lightning_autobalance.shapes import Points, PointValues


class Extended(Domain):
    """A domain times an interval, which adds a coordinate at the end and no boundary: the parts are those of the base.

    Args:
        base: The domain.
        name: Of the further coordinate.
        interval: (low, high).
        argument: What the interval is called in errors.

    Raises:
        ValueError: If the interval is not in order.
    """

    def __init__(self, base: Domain, name: str, interval: tuple[float, float], argument: str) -> None:
        self.base = base
        self.interval = checked_bounds(argument, interval)
        self._name = name

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Those of the base, then the further one."""
        return *self.base.coordinates, self._name

    @property
    def bounds(self) -> Bounds:
        """Those of the base, then the interval."""
        return *self.base.bounds, self.interval

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The faces of the base, each times the interval."""
        return {part: tuple(map(self._times_interval, self.base.faces(part))) for part in self.base.parts}

    def _own_name(self, part: str) -> str:
        own = super()._own_name(part)
        return own if own in self.base.parts else self.base._own_name(own)

    def _times_interval(self, face: Face) -> Face:
        low, high = self.interval
        larger = self._changed(face, partial(self._over_interval, face))
        return replace(larger, dim=face.dim + 1, measure=face.measure * (high - low), size=None)

    def _changed(self, face: Face, place: Callable[[Tensor], Tensor]) -> Face:
        return replace(face, place=place)

    def _over_interval(self, face: Face, unit: Tensor) -> Tensor:
        return self._joined(face.points(unit[:, :-1]), self._along(unit[:, -1:]))

    def _along(self, unit: Tensor) -> Tensor:
        low, high = self.interval
        return low + (high - low) * unit

    def _joined(self, points: Tensor, column: Tensor) -> Tensor:
        return torch.cat([points, column], dim=1)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the base, with the further coordinate in its interval.

        Args:
            points: (n, d).
        """
        found: NDArray[np.bool_] = self.base.contains(points[:, :-1]) & inside(points[:, -1:], (self.interval,))
        return found

    def distance(self, x: Points) -> PointValues:
        """Distance to the boundary of the base, negative inside.

        Args:
            x: (b, d).
        """
        return self.base.distance(x[:, :-1])

    def normal(self, x: Points, part: str = "boundary") -> Points:
        """Outward unit normals of the base, and 0 along the further coordinate.

        Args:
            x: On the boundary, (b, d).
            part: Part of the boundary that the points are on.
        """
        own = self._aliases.get(part, part)
        return torch.nn.functional.pad(self.base.normal(x[:, :-1], own), (0, 1))
