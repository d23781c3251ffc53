"""Stretches of a curve, between the places where it meets other shapes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import sqrt

import torch
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.face import Face
from lightning_autobalance.points.polyline import stretch

Keep = Callable[[Tensor], Tensor]
PARTS = 64  # of a curve, twice again where another shape is near: details of 1 / 262,144 of its length are found
INNER = [0.29, 0.53, 0.79]  # shares of a stretch at which is tested whether it is kept
TOUCH = 8.0  # times what rounding makes of a single point where curves touch


def stretches(face: Face, keep: Keep, others: Sequence[Domain], edge: float) -> tuple[Face, ...]:
    """The stretches of a curve that are kept, each a face of its own.

    Args:
        face: A curve.
        keep: Which of its points are, (n, d) to (n,).
        others: The shapes whose boundaries are the only places at which that changes.
        edge: What rounding may do to a distance.
    """
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    stops = torch.cat([ends, _meetings(face, others, edge)]).sort().values
    inner = stops[:-1, None] + stops.diff()[:, None] * torch.tensor(INNER)  # three: one may be a corner
    within = (keep(face.points(inner.reshape(-1, 1))).reshape(inner.shape).sum(dim=1) >= 2).tolist()
    shortest = TOUCH * sqrt(edge / face.measure)
    runs: list[tuple[float, float]] = []
    for low, high, inside in zip(stops[:-1].tolist(), stops[1:].tolist(), within, strict=True):
        if low == high or not inside:
            continue
        if runs and low - runs[-1][1] <= shortest:
            low, _ = runs.pop()
        runs.append((0.0 if low <= shortest else low, 1.0 if high >= 1 - shortest else high))
    return tuple(_between(face, low, high) for low, high in runs if high - low > shortest)


def _between(face: Face, low: float, high: float) -> Face:
    if (low, high) == (0.0, 1.0):
        return replace(face, weight=face.measure)
    measure = face.measure * (high - low)
    return Face(1, stretch(face.place, low, high), measure=measure, weight=measure)


def _meetings(face: Face, others: Sequence[Domain], edge: float) -> Tensor:
    """Where in [0, 1] a curve enters, leaves or starts to follow the boundary of another shape."""

    def away(t: Tensor) -> Tensor:
        points = face.points(t[:, None])
        return torch.stack([other.distance(points) for other in others], dim=1)

    t = _closer_near(away, face.measure, edge)
    distance = away(t)
    state = torch.where(distance.abs() <= edge, 0.0, distance.sign())
    at, other = (state[1:] != state[:-1]).nonzero().T
    low, high, crosses = t[at], t[at + 1], state[at, other] * state[at + 1, other] < 0

    def side(t: Tensor) -> Tensor:
        found = away(t)[torch.arange(len(t)), other]
        return torch.where(crosses, found < 0, found.abs() <= edge)

    return _bisected(side, low, high) if len(at) else low


def _closer_near(away: Keep, length: float, edge: float) -> Tensor:
    """Places in [0, 1], closer together where another shape may be met: a distance changes by less than the length."""
    t = torch.linspace(0, 1, PARTS + 1, dtype=torch.float64)
    between = torch.arange(1, PARTS) / PARTS
    for _ in range(2):
        least, gap = away(t).abs().min(dim=1).values - edge, t.diff()
        near = ~(torch.minimum(least[1:], least[:-1]) > length * gap)
        t = torch.cat([t, (t[:-1, None] + gap[:, None] * between)[near].flatten()]).sort().values
    return t


def _bisected(side: Keep, low: Tensor, high: Tensor) -> Tensor:
    start = side(low)
    for _ in range(55):
        middle = (low + high) / 2
        same = side(middle) == start
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return high
