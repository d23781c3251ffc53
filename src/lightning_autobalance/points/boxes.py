"""Intervals, rectangles and boxes."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.domain import Array, Domain, Face, checked_bounds, inside


class Box(Domain):
    """A box with parts "interior" and "boundary"; the boundary has two faces per coordinate.

    Args:
        *bounds: (low, high) per coordinate.
        coordinates: One letter per coordinate; x, y, z by default.

    Raises:
        ValueError: If bounds are not in order, or there are not as many names as bounds.
    """

    def __init__(self, *bounds: tuple[float, float], coordinates: Sequence[str] | None = None) -> None:
        if not bounds:
            raise ValueError("`bounds` must have (low, high) for at least one coordinate, got none.")
        names = tuple(coordinates) if coordinates is not None else tuple("xyz"[: len(bounds)])
        if (
            len(names) != len(bounds)
            or len(set(names)) != len(names)
            or not all(len(name) == 1 and name.isalpha() for name in names)
        ):
            raise ValueError(
                f"`coordinates` must be {len(bounds)} different letters, got {names}. Name them where there are more "
                "than three."
            )
        self._bounds = tuple(checked_bounds("bounds", b) for b in bounds)
        self._coordinates = names

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Single letters, one per coordinate."""
        return self._coordinates

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(low, high) per coordinate."""
        return self._bounds

    def _faces(self) -> dict[str, tuple[Face, ...]]:
        d = len(self._bounds)
        sides = [Face(d - 1, partial(self._on_side, i, end)) for i in range(d) for end in (0, 1)]
        return {"interior": (Face(d, self._scaled),), "boundary": tuple(sides)}

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


class Interval(Box):
    """An interval; its boundary is the two ends.

    Args:
        low: Left end.
        high: Right end.

    Raises:
        ValueError: If they are not in order.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__((low, high))


class Rectangle(Box):
    """A rectangle; its boundary is the four sides.

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
