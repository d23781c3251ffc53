"""Several networks at the same points."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from lightning_autobalance.shapes import Fields, Points


class Parallel(nn.Module):
    """Networks on the same points, their fields side by side.

    Args:
        nets: Each (b, d) to (b, k_i).

    Raises:
        ValueError: If there are none.
    """

    def __init__(self, nets: list[nn.Module]) -> None:
        super().__init__()
        if not nets:
            raise ValueError("`nets` must hold at least one network, got none.")
        self.nets: Iterable[nn.Module] = nn.ModuleList(nets)

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to fields, (b, sum of k_i)."""
        return torch.cat([net(x) for net in self.nets], dim=1)

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        return jet.joined([jet.through(net) for net in self.nets])
