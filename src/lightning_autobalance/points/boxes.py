"""Intervals, rectangles and boxes."""

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.face import Face
from lightning_autobalance.points.planar import shapely_or_remedy
from lightning_autobalance.points.rounding import Array, Bounds, checked_bounds, checked_names, inside
from lightning_autobalance.points.shape import Shape
from lightning_autobalance.points.writing import written
from lightning_autobalance.shapes import Points, PointValues


class Box(Shape):
    """A box with parts "interior", "boundary", and a part for each side.

    The sides of x are "left" and "right"; those of y are "bottom" and "top" where there are two coordinates. The others
    have names such as "z=0" and "z=1", by coordinate and place, which also stand for the sides of x and y.

    Args:
        *bounds: (low, high) per coordinate.
        coordinates: A name of letters per coordinate; x, y, z by default.

    Raises:
        ValueError: If bounds are not in order, or there are not as many names as bounds.
    """

    def __init__(self, *bounds: tuple[float, float], coordinates: Sequence[str] | None = None) -> None:
        if not bounds:
            raise ValueError("`bounds` must have (low, high) for at least one coordinate, got none.")
        self._coordinates = checked_names(coordinates if coordinates is not None else "xyz"[: len(bounds)], len(bounds))
        self._bounds = tuple(checked_bounds("bounds", b) for b in bounds)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names, one per coordinate."""
        return self._coordinates

    @property
    def bounds(self) -> Bounds:
        """(low, high) per coordinate."""
        return self._bounds

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The interior, all sides together, and each by itself."""
        sizes = [high - low for low, high in self._bounds]
        d = len(sizes)
        sides = [
            Face(d - 1, partial(self._on_side, i, end), measure=prod(sizes[:i] + sizes[i + 1 :]))
            for i in range(d)
            for end in (0, 1)
        ]
        named = {self._side_name(i, end): (sides[2 * i + end],) for i in range(d) for end in (0, 1)}
        return {"interior": (Face(d, self._scaled, measure=prod(sizes)),), "boundary": tuple(sides), **named}

    def _side_name(self, i: int, end: int) -> str:
        if self._coordinates[i] == "x":
            return ("left", "right")[end]
        if self._coordinates[i] == "y" and len(self._bounds) == 2:
            return ("bottom", "top")[end]
        return f"{self._coordinates[i]}={self._bounds[i][end]:g}"

    def _own_name(self, part: str) -> str:
        own = super()._own_name(part)
        name, equals, value = own.partition("=")
        if equals and name in self._coordinates:
            i = self._coordinates.index(name)
            for end in (0, 1):
                if value == f"{self._bounds[i][end]:g}":
                    return self._side_name(i, end)
        return own

    def _scaled(self, unit: Tensor) -> Tensor:
        return torch.stack([_between(*b, u) for b, u in zip(self._bounds, unit.unbind(1), strict=True)], dim=1)

    def _on_side(self, i: int, end: int, unit: Tensor) -> Tensor:
        others = [b for j, b in enumerate(self._bounds) if j != i]
        columns = [_between(*b, u) for b, u in zip(others, unit.unbind(1), strict=True)]
        columns.insert(i, unit.new_full((len(unit),), self._bounds[i][end]))  # exactly on the edge
        return torch.stack(columns, dim=1)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the box or on its edge.

        Args:
            points: (n, d).
        """
        return inside(points, self._bounds)

    def distance(self, x: Points) -> PointValues:
        """Distance to the nearest side, edge or corner, negative inside.

        Args:
            x: (b, d).
        """
        low, high = _ends(self._bounds, x)
        beyond = torch.maximum(low - x, x - high)
        signed: Tensor = beyond.clamp(min=0.0).norm(dim=1) + beyond.max(dim=1).values.clamp(max=0.0)
        return signed

    def normal(self, x: Points, part: str = "boundary") -> Points:
        """Outward unit normals of the nearest side.

        Args:
            x: (b, d).
            part: A side, whose normal it then is everywhere; or "boundary".
        """
        low, high = _ends(self._bounds, x)
        d = x.shape[1]
        outward = torch.cat(
            [-torch.eye(d, dtype=x.dtype, device=x.device), torch.eye(d, dtype=x.dtype, device=x.device)]
        )
        sides = [self._side_name(i, end) for end in (0, 1) for i in range(d)]
        own = self._own_name(part)
        if own in sides:
            return outward[sides.index(own)].expand_as(x)
        return outward[torch.cat([(x - low).abs(), (x - high).abs()], dim=1).argmin(dim=1)]

    def outline(self) -> Any:
        """As a polygon of shapely, with two coordinates."""
        if len(self._bounds) != 2:
            return None
        (left, right), (bottom, top) = self._bounds
        return shapely_or_remedy().box(left, bottom, right, top)

    def _written(self) -> str:
        return f"{type(self).__name__}({', '.join(written(*b) for b in self._bounds)})"


class Interval(Box):
    """An interval; its boundary is the two ends, "left" and "right".

    Args:
        low: Left end.
        high: Right end.

    Raises:
        ValueError: If they are not in order.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__((low, high))

    def _written(self) -> str:
        return f"Interval{written(*self._bounds[0])}"


class Rectangle(Box):
    """A rectangle; its boundary is the four sides, "left", "right", "bottom" and "top".

    Args:
        x: (low, high) of x.
        y: (low, high) of y.

    Raises:
        ValueError: If they are not in order.
    """

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        super().__init__(x, y)


def _between(low: float, high: float, unit: Tensor) -> Tensor:
    return low + (high - low) * unit


def _ends(bounds: Bounds, like: Tensor) -> tuple[Tensor, Tensor]:
    low, high = zip(*bounds, strict=True)
    return like.new_tensor(low), like.new_tensor(high)
