"""Coordinates scaled to the cube [-1, 1]^d."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lightning_autobalance.shapes import Points

Bounds = Sequence[tuple[float, float]]


def check_bounds(bounds: Bounds) -> None:
    """Raise a ValueError if an interval is empty."""
    for low, high in bounds:
        if not low < high:
            raise ValueError(f"`bounds` must be pairs of a lower and a higher number, got ({low}, {high}).")


class ToCube(nn.Module):
    r"""Each coordinate from its interval to [-1, 1], :math:`(2 x_i - l_i - h_i) / (h_i - l_i)`.

    Scales and shifts are Python numbers, so that a network made in float32 stays exact when it is moved to float64.

    Args:
        bounds: (low, high) per coordinate.

    Raises:
        ValueError: If an interval is empty.
    """

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        check_bounds(bounds)
        self.scales = [2 / (high - low) for low, high in bounds]
        self.shifts = [-(high + low) / (high - low) for low, high in bounds]

    def forward(self, x: Points) -> Points:
        """Points, (b, d), to points of the cube, (b, d)."""
        maps = zip(x.unbind(1), self.scales, self.shifts, strict=True)
        return torch.stack([column * scale + shift for column, scale, shift in maps], dim=1)

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        return jet.rescaled(self.scales, self.shifts)
