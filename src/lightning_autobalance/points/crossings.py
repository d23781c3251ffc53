"""Boundary points of a domain that knows only which points it contains: where random lines enter or leave it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import gamma, pi, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm, qmc
from torch import Tensor

from lightning_autobalance.points.face import Face
from lightning_autobalance.points.rejection import members
from lightning_autobalance.points.rounding import Array, Bounds, inside

Contains = Callable[[Array], NDArray[np.bool_]]
STEPS = 64  # along a line
MOST = 8  # crossings per line that count
LINES = 2**12  # that estimate the measure


def on_crossings(bounds: Bounds, contains: Contains) -> Face:
    r"""The boundary of a domain, uniform by area.

    Lines that are uniform among all lines through a ball cross an area element as often as its size says:

    .. math:: E[N] = \frac{S}{(2R)^{d-1}} \frac{\Gamma(d/2)}{\sqrt\pi \, \Gamma((d+1)/2)}

    for N crossings of a surface of measure S, and lines whose offsets fill a cube of side 2R.

    Args:
        bounds: (low, high) per coordinate.
        contains: Which points lie in the domain, (n, d) to (n,).

    Raises:
        ValueError: If none of 4,096 lines crosses it.

    Reference:
        Santalo, 1976, "Integral Geometry and Geometric Probability", section 14.
    """
    lines = _Crossings(bounds, contains)
    d = len(bounds)
    unit = torch.from_numpy(qmc.Halton(2 * d, scramble=False).random(LINES + 1)[1:])  # without the origin
    found = float(lines.crossings(unit)[1].sum(dim=1).clamp(max=MOST).double().mean())
    if found == 0:
        raise ValueError(
            f"`contains` must hold for some points within `bounds`, {bounds}, got none on {LINES} random lines."
        )
    measure = found * (2 * lines.radius) ** (d - 1) * sqrt(pi) * gamma((d + 1) / 2) / gamma(d / 2)
    return Face(2 * d, lines, measure=measure, weight=measure, rate=found / MOST)


@dataclass(frozen=True)
class _Crossings:
    bounds: Bounds
    contains: Contains

    @property
    def radius(self) -> float:
        """Of the ball around the bounding box."""
        return 0.5 * sqrt(sum((high - low) ** 2 for low, high in self.bounds)) * (1 + 1e-9)

    def __call__(self, unit: Tensor) -> Tensor:
        d = len(self.bounds)
        (start, direction), changes = self.crossings(unit)
        slot = (unit[:, -1] * MOST).long().clamp(max=MOST - 1)
        order = changes.cumsum(dim=1)
        chosen = changes & (order == slot[:, None] + 1)
        accept = chosen.any(dim=1)
        step = 2 * self.radius / STEPS
        low = chosen.double().argmax(dim=1).to(unit) * step  # whole numbers times a step would be float32
        points = start.new_full((len(unit), d), float("nan"))
        if accept.any():
            points[accept] = self._bisected(start[accept], direction[accept], low[accept], step)
        return points

    def crossings(self, unit: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Start and direction of each line, (n, d), and between which of its steps it crosses, (n, 64)."""
        d = len(self.bounds)
        gauss = torch.from_numpy(norm.ppf(unit[:, :d].clamp(1e-12, 1 - 1e-12).numpy()))
        direction = torch.nn.functional.normalize(gauss, dim=1)
        offset = self.radius * (2 * unit[:, d : 2 * d - 1] - 1)
        low, high = unit.new_tensor(self.bounds).T
        start = (low + high) / 2 + _across(direction, offset) - self.radius * direction
        along = torch.linspace(0, 2 * self.radius, STEPS + 1, dtype=unit.dtype)
        within = self._within(start[:, None] + along[:, None] * direction[:, None])
        return (start, direction), within[:, 1:] != within[:, :-1]

    def _within(self, points: Tensor) -> Tensor:
        rows = points.reshape(-1, points.shape[-1]).numpy()
        within = members(self.contains, rows) & inside(rows, self.bounds)  # the domain ends where its box does
        return torch.from_numpy(within).reshape(points.shape[:-1])

    def _bisected(self, start: Tensor, direction: Tensor, low: Tensor, step: float) -> Tensor:
        """The last point that is contained, for each line between ``low`` and one step on."""
        high = low + step
        enters = ~self._within(start + low[:, None] * direction)
        for _ in range(60):
            middle = (low + high) / 2
            beyond = self._within(start + middle[:, None] * direction) == enters
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        return start + torch.where(enters, high, low)[:, None] * direction


def _across(direction: Tensor, offset: Tensor) -> Tensor:
    """Offsets, (n, d - 1), in an orthonormal basis across each direction, (n, d): columns of a Householder matrix."""
    first = torch.zeros_like(direction)
    first[:, 0] = 1.0
    v = direction + torch.where(direction[:, :1] < 0, -1.0, 1.0) * first
    padded = torch.cat([torch.zeros_like(direction[:, :1]), offset], dim=1)
    return padded - 2 * v * (v * padded).sum(dim=1, keepdim=True) / v.square().sum(dim=1, keepdim=True)
