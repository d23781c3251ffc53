"""Straight edges of closed lines."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of a polygon, those of holes among them.

    Args:
        start: (n, 2) float64.
        end: (n, 2) float64.
        outward: Unit normals, (n, 2) float64.
    """

    start: Tensor
    end: Tensor
    outward: Tensor

    @classmethod
    def around(cls, lines: Sequence[Tensor]) -> "Edges":
        """The edges of closed lines.

        Args:
            lines: The outer boundary, then the holes; each (n + 1, 2), the last corner is the first, in either
                direction.
        """
        start, end = torch.cat([line[:-1] for line in lines]), torch.cat([line[1:] for line in lines])
        signs = [(-1.0 if i else 1.0) * _turn(line).expand(len(line) - 1) for i, line in enumerate(lines)]
        edges = torch.nn.functional.normalize(end - start, dim=1)
        return cls(start, end, torch.cat(signs)[:, None] * torch.stack([edges[:, 1], -edges[:, 0]], dim=1))

    def away(self, x: Tensor) -> Tensor:
        """Distance to each edge, (b, 2) to (b, n)."""
        start, along = self.start.to(x), (self.end - self.start).to(x)
        across = x[:, None] - start
        share = ((across * along).sum(dim=2) / along.square().sum(dim=1)).clamp(0.0, 1.0)
        found: Tensor = (across - share[:, :, None] * along).norm(dim=2)
        return found

    def inside(self, x: Tensor) -> Tensor:
        """Which points a ray to the right leaves through an odd number of edges, (b, 2) to (b,)."""
        start, end = self.start.to(x), self.end.to(x)
        rise = end[:, 1] - start[:, 1]
        height = x[:, 1:] - start[:, 1]
        beyond = start[:, 0] + height * (end - start)[:, 0] / torch.where(rise == 0, 1.0, rise)
        passed = ((start[:, 1] > x[:, 1:]) != (end[:, 1] > x[:, 1:])) & (x[:, :1] < beyond)
        return passed.sum(dim=1) % 2 == 1

    def distance(self, x: Tensor) -> Tensor:
        """Distance to the nearest edge, negative inside, (b, 2) to (b,)."""
        nearest = self.away(x).min(dim=1).values
        return torch.where(self.inside(x), -nearest, nearest)

    def normal(self, x: Tensor, numbers: Sequence[int]) -> Tensor:
        """Outward unit normals of the nearest of some edges, (b, 2) to (b, 2)."""
        return self.outward[numbers].to(x)[self.away(x)[:, numbers].argmin(dim=1)]


def _turn(line: Tensor) -> Tensor:
    """1 for a closed line that goes counterclockwise, -1 for others."""
    x, y = (line - line[0]).unbind(1)
    return torch.sign((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())
