"""Curves of straight edges, and stretches of curves."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Place = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Polyline:
    """Maps [0, 1] to a curve of straight edges, evenly by length.

    Args:
        corners: (n + 1, 2) float64, from the start to the end.
    """

    corners: Tensor

    @property
    def stops(self) -> Tensor:
        """Where in [0, 1] the corners are, (n + 1,)."""
        lengths = self.corners.diff(dim=0).norm(dim=1)
        found: Tensor = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]) / lengths.sum()
        return found

    def __call__(self, unit: Tensor) -> Tensor:
        """Points at shares of the length, (n, 1) to (n, 2)."""
        stops, t = self.stops, unit[:, 0].double().contiguous()
        edge = (torch.bucketize(t, stops, right=True) - 1).clamp(0, len(stops) - 2)
        along = ((t - stops[edge]) / (stops[edge + 1] - stops[edge]))[:, None]
        points = torch.lerp(self.corners[edge], self.corners[edge + 1], along.clamp(0.0, 1.0))
        return points.to(unit.dtype)

    def between(self, low: float, high: float) -> "Polyline":
        """The stretch between two places in [0, 1]."""
        stops = self.stops
        within = self.corners[(stops > low + 1e-14) & (stops < high - 1e-14)]
        first, last = self(torch.tensor([[low], [high]], dtype=torch.float64))
        return Polyline(torch.cat([first[None], within, last[None]]))


@dataclass(frozen=True)
class _Stretch:
    place: Place
    low: float
    high: float

    def __call__(self, unit: Tensor) -> Tensor:
        return self.place(self.low + (self.high - self.low) * unit)


def stretch(place: Place, low: float, high: float) -> Place:
    """A curve between two places in [0, 1], over [0, 1] again.

    Args:
        place: Maps (n, 1) to points of the curve, (n, d).
        low: Where the stretch starts.
        high: Where it ends.
    """
    if isinstance(place, Polyline):
        return place.between(low, high)
    if isinstance(place, _Stretch):
        width = place.high - place.low
        return _Stretch(place.place, place.low + low * width, place.low + high * width)
    return _Stretch(place, low, high)
