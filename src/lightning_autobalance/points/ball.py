"""The ball in any number of dimensions."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.face import Face, single_point
from lightning_autobalance.points.planar import shapely_or_remedy
from lightning_autobalance.points.rounding import Array, Bounds, checked_names, slack
from lightning_autobalance.points.shape import Shape
from lightning_autobalance.points.spheres import ball_volume, direction_dim, directions
from lightning_autobalance.points.writing import number, written
from lightning_autobalance.shapes import Points, PointValues
from lightning_autobalance.utils.arguments import check_positive
from lightning_autobalance.utils.plain import plain


class Ball(Shape):
    """A ball with parts "interior" and "boundary", the sphere; DeepXDE calls it Sphere or Hypersphere.

    Beyond three dimensions its directions are Gaussian numbers, so that a grid is no help there: take Sobol points.

    Args:
        center: A number per coordinate.
        radius: Positive.
        coordinates: A name of letters per coordinate; x, y, z by default.

    Raises:
        ValueError: If the radius is not positive, a number is not finite, or there are not as many names as numbers.
    """

    def __init__(
        self,
        center: Sequence[float] = (0.0, 0.0, 0.0),
        radius: float = 1.0,
        coordinates: Sequence[str] | None = None,
    ) -> None:
        center = plain(tuple(center))
        if not center or not all(isinstance(c, int | float) and isfinite(c) for c in center):
            raise ValueError(f"`center` must be a finite number per coordinate, got {center}.")
        check_positive("radius", radius)
        self._coordinates = checked_names("xyz"[: len(center)] if coordinates is None else coordinates, len(center))
        self._center = tuple(map(float, center))
        self._radius = float(radius)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names, one per coordinate."""
        return self._coordinates

    @property
    def bounds(self) -> Bounds:
        """The cube around it."""
        return tuple((c - self._radius, c + self._radius) for c in self._center)

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The ball and the sphere, which in one dimension is two points."""
        d, dim = len(self._center), direction_dim(len(self._center))
        volume = ball_volume(d, self._radius)
        sphere: tuple[Face, ...] = (Face(dim, self._on_sphere, measure=volume * d / self._radius),)
        if d == 1:
            sphere = tuple(single_point(torch.tensor(end, dtype=torch.float64)[None]) for end in self.bounds[0])
        return {"interior": (Face(1 + dim, self._within, measure=volume),), "boundary": sphere}

    def _within(self, unit: Tensor) -> Tensor:
        d, share = len(self._center), unit[:, :1]
        if d == 1:
            return self._at(self._radius * (2 * share - 1), unit[:, 1:])
        return self._at(self._radius * (torch.sqrt(share) if d == 2 else share ** (1 / d)), unit[:, 1:])

    def _on_sphere(self, unit: Tensor) -> Tensor:
        return self._at(self._radius, unit)

    def _at(self, radius: Tensor | float, unit: Tensor) -> Tensor:
        return unit.new_tensor(self._center) + radius * directions(unit, len(self._center))

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the ball or on the sphere.

        Args:
            points: (n, d).
        """
        distance = np.linalg.norm(points - np.array(self._center), axis=1)
        found: NDArray[np.bool_] = distance <= self._radius + slack(self.bounds)
        return found

    def distance(self, x: Points) -> PointValues:
        """Distance to the sphere, negative inside.

        Args:
            x: (b, d).
        """
        from_center: Tensor = (x - x.new_tensor(self._center)).norm(dim=1)
        return from_center - self._radius

    def normal(self, x: Points, part: str = "boundary") -> Points:  # noqa: ARG002
        """Unit vectors away from the center.

        Args:
            x: (b, d).
            part: Any; there is one.
        """
        return torch.nn.functional.normalize(x - x.new_tensor(self._center), dim=1)

    def outline(self) -> Any:
        """As a polygon of shapely with 256 corners, with two coordinates."""
        if len(self._center) != 2:
            return None
        return shapely_or_remedy().Polygon(
            self._on_sphere(torch.arange(256, dtype=torch.float64)[:, None] / 256).numpy()
        )

    def _written(self) -> str:
        return f"{type(self).__name__}({written(*self._center)}, {number(self._radius)})"
