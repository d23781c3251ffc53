"""The disk."""

from math import isfinite, pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.face import Face
from lightning_autobalance.points.rounding import Array, Bounds, slack
from lightning_autobalance.points.shape import Shape
from lightning_autobalance.points.writing import number, written
from lightning_autobalance.shapes import Points, PointValues
from lightning_autobalance.utils.arguments import check_positive


class Disk(Shape):
    """A disk with parts "interior" and "boundary", the circle.

    Args:
        center: (x, y).
        radius: Positive.

    Raises:
        ValueError: If the radius is not positive, or a number is not finite.
    """

    def __init__(self, center: tuple[float, float] = (0.0, 0.0), radius: float = 1.0) -> None:
        if len(center) != 2 or not all(isfinite(c) for c in center):
            raise ValueError(f"`center` must be two finite numbers, got {tuple(center)}.")
        check_positive("radius", radius)
        self._center = float(center[0]), float(center[1])
        self._radius = float(radius)

    @property
    def bounds(self) -> Bounds:
        """The square around it."""
        return tuple((c - self._radius, c + self._radius) for c in self._center)

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The disk and the circle."""
        area, length = pi * self._radius**2, 2 * pi * self._radius
        return {
            "interior": (Face(2, self._polar, measure=area),),
            "boundary": (Face(1, self._on_circle, measure=length),),
        }

    def _polar(self, unit: Tensor) -> Tensor:
        return self._at(self._radius * torch.sqrt(unit[:, 0]), 2 * pi * unit[:, 1])  # the root: uniform by area

    def _on_circle(self, unit: Tensor) -> Tensor:
        return self._at(self._radius, 2 * pi * unit[:, 0])

    def _at(self, radius: Tensor | float, angle: Tensor) -> Tensor:
        x, y = self._center
        return torch.stack([x + radius * torch.cos(angle), y + radius * torch.sin(angle)], dim=1)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the disk or on the circle.

        Args:
            points: (n, 2).
        """
        distance = np.linalg.norm(points - np.array(self._center), axis=1)
        found: NDArray[np.bool_] = distance <= self._radius + slack(self.bounds)
        return found

    def distance(self, x: Points) -> PointValues:
        """Distance to the circle, negative inside.

        Args:
            x: (b, 2).
        """
        from_center: Tensor = (x - x.new_tensor(self._center)).norm(dim=1)
        return from_center - self._radius

    def normal(self, x: Points, part: str = "boundary") -> Points:  # noqa: ARG002
        """Unit vectors away from the center.

        Args:
            x: (b, 2).
            part: Any; there is one.
        """
        return torch.nn.functional.normalize(x - x.new_tensor(self._center), dim=1)

    def outline(self) -> Any:
        """As a polygon of shapely with 256 corners."""
        from shapely import Polygon

        return Polygon(self._on_circle(torch.arange(256, dtype=torch.float64)[:, None] / 256).numpy())

    def _written(self) -> str:
        return f"Disk({written(*self._center)}, {number(self._radius)})"
