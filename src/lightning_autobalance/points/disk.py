"""The disk."""

from math import isfinite, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.domain import Array, Domain, Face, rounding
from lightning_autobalance.utils.arguments import check_positive


class Disk(Domain):
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
    def coordinates(self) -> tuple[str, ...]:
        """The letters x and y."""
        return "x", "y"

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The square around it."""
        return tuple((c - self._radius, c + self._radius) for c in self._center)

    def _faces(self) -> dict[str, tuple[Face, ...]]:
        return {"interior": (Face(2, self._polar),), "boundary": (Face(1, self._on_circle),)}

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
        found: NDArray[np.bool_] = distance <= self._radius + max(rounding(*b) for b in self.bounds)
        return found
