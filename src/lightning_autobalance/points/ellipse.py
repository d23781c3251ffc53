"""The ellipse."""

from math import cos, hypot, isfinite, pi, sin
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ellipe, ellipeinc
from torch import Tensor

from lightning_autobalance.points.face import Face
from lightning_autobalance.points.planar import shapely_or_remedy
from lightning_autobalance.points.rounding import Array, Bounds, slack
from lightning_autobalance.points.shape import Shape
from lightning_autobalance.points.writing import number, written
from lightning_autobalance.shapes import Points, PointValues

STEPS = 20  # of Newton
KNOTS = 2049  # of the table of arc lengths


class Ellipse(Shape):
    """An ellipse with parts "interior" and "boundary", uniform by length.

    Args:
        center: (x, y).
        semi_axes: Half of the width and half of the height, before it is turned.
        angle: By which it is turned, counterclockwise, in radians.

    Raises:
        ValueError: If a half axis is not positive, or a number is not finite.
    """

    def __init__(
        self,
        center: tuple[float, float] = (0.0, 0.0),
        semi_axes: tuple[float, float] = (1.0, 1.0),
        angle: float = 0.0,
    ) -> None:
        if len(center) != 2 or not all(isfinite(c) for c in center):
            raise ValueError(f"`center` must be two finite numbers, got {tuple(center)}.")
        if len(semi_axes) != 2 or not all(isfinite(s) and s > 0 for s in semi_axes):
            raise ValueError(f"`semi_axes` must be two finite numbers > 0, got {tuple(semi_axes)}.")
        if not isfinite(angle):
            raise ValueError(f"`angle` must be a finite number, got {angle}.")
        self._center = float(center[0]), float(center[1])
        self._axes, self._angle = (float(semi_axes[0]), float(semi_axes[1])), float(angle)
        # From here on the first axis is the longer one, turned by `_turn`.
        (first, second), turned = self._axes, self._axes[1] > self._axes[0]
        self._a, self._b = (second, first) if turned else (first, second)
        turn = self._angle + (pi / 2 if turned else 0.0)
        self._turn = cos(turn), sin(turn)
        self._flat = (1 - self._b / self._a) * (1 + self._b / self._a)  # squared eccentricity

    @property
    def bounds(self) -> Bounds:
        """The bounding box."""
        c, s = self._turn
        reach = hypot(self._a * c, self._b * s), hypot(self._a * s, self._b * c)
        return tuple((m - r, m + r) for m, r in zip(self._center, reach, strict=True))

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The interior, an image of the disk, and the curve."""
        length = 4 * self._a * float(ellipe(self._flat))
        return {
            "interior": (Face(2, self._inside, measure=pi * self._a * self._b),),
            "boundary": (Face(1, self._on_curve, measure=length, weight=length),),
        }

    def _inside(self, unit: Tensor) -> Tensor:
        radius, phase = torch.sqrt(unit[:, 0]), 2 * pi * unit[:, 1]  # the root: uniform by area
        return self._placed(self._a * radius * torch.sin(phase), self._b * radius * torch.cos(phase))

    def _on_curve(self, unit: Tensor) -> Tensor:
        phase = torch.from_numpy(self._phase(unit[:, 0].double().numpy())).to(unit)
        return self._placed(self._a * torch.sin(phase), self._b * torch.cos(phase))

    def _phase(self, share: Array) -> Array:
        """Where a share of the length is reached, by Newton's method within steps of a table; exact to rounding."""
        wanted = 4 * float(ellipe(self._flat)) * share
        knots = np.linspace(0, 2 * pi, KNOTS)
        lengths = ellipeinc(knots, self._flat)
        at = np.clip(np.searchsorted(lengths, wanted, side="right") - 1, 0, KNOTS - 2)
        phase = np.interp(wanted, lengths, knots)
        for _ in range(STEPS):
            slope = np.sqrt(1 - self._flat * np.sin(phase) ** 2)
            change = (ellipeinc(phase, self._flat) - wanted) / slope
            phase = np.clip(phase - change, knots[at], knots[at + 1])
            if np.abs(change).max(initial=0.0) < 1e-14:
                break
        found: Array = phase
        return found

    def _placed(self, along: Tensor, across: Tensor) -> Tensor:
        (x, y), (c, s) = self._center, self._turn
        return torch.stack([x + c * along - s * across, y + s * along + c * across], dim=1)

    def _own_axes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        (u, v), (c, s) = (x - x.new_tensor(self._center)).unbind(1), self._turn
        return c * u + s * v, c * v - s * u

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the ellipse or on the curve.

        Args:
            points: (n, 2).
        """
        found: NDArray[np.bool_] = (self.distance(torch.from_numpy(points)) <= slack(self.bounds)).numpy()
        return found

    def distance(self, x: Points) -> PointValues:
        r"""Distance to the curve, negative inside.

        The foot of the perpendicular from (p, q), both positive, is (a² p / (s + a² - b²), b² q / s), where s is the
        largest root of

        .. math:: (a p / (s + a^2 - b^2))^2 + (b q / s)^2 = 1

        found by Newton's method, which converges from below.

        Args:
            x: (b, 2).
        """
        p, q = self._foot_quadrant(x)
        a, b = self._a, self._b
        gap = a * a * self._flat
        s = torch.maximum(b * q, a * p - gap)
        for _ in range(STEPS):
            first, second = a * p / (s + gap), b * q / s
            excess = first.square() + second.square() - 1
            s = s + excess / (2 * (first.square() / (s + gap) + second.square() / s))
        foot_p, foot_q = a * a * p / (s + gap), b * b * q / s
        n_p, n_q = foot_p / a**2, foot_q / b**2
        away: Tensor = ((p - foot_p) * n_p + (q - foot_q) * n_q) / torch.sqrt(n_p.square() + n_q.square())
        return away

    def _foot_quadrant(self, x: Tensor) -> tuple[Tensor, Tensor]:
        along, across = self._own_axes(x)
        return along.abs(), across.abs().clamp(min=1e-15 * self._b)  # on the axis the root can be zero

    def normal(self, x: Points, part: str = "boundary") -> Points:  # noqa: ARG002
        """Outward unit normals.

        Args:
            x: On the boundary, (b, 2).
            part: Any; there is one.
        """
        along, across = self._own_axes(x)
        (c, s), u, v = self._turn, along / self._a, across / self._b * (self._a / self._b)
        return torch.nn.functional.normalize(torch.stack([c * u - s * v, s * u + c * v], dim=1), dim=1)

    def outline(self) -> Any:
        """As a polygon of shapely with 256 corners."""
        phase = 2 * pi * torch.arange(256, dtype=torch.float64) / 256
        return shapely_or_remedy().Polygon(self._placed(self._a * torch.sin(phase), self._b * torch.cos(phase)).numpy())

    def _written(self) -> str:
        turned = f", {number(self._angle)}" if self._angle else ""
        return f"Ellipse({written(*self._center)}, {written(*self._axes)}{turned})"
