"""A training that is timed: problem, numbers of points, network width, number of loss terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from benchmarks.peers.problems import PROBLEMS, Data, Net, Problem, Residual
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.problems import Helmholtz2D


class InParts(Helmholtz2D):
    """Helmholtz with its points cut into parts, each with loss terms of its own.

    Args:
        parts: Number of parts.
        **kwargs: Arguments of `Helmholtz2D`.
    """

    def __init__(self, parts: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Residuals of every part, with the part's number in their names."""
        found = [super(InParts, self).residuals(part_of(points, i, self.parts)) for i in range(self.parts)]
        return {f"{term}_{i}": residual for i, part in enumerate(found) for term, residual in part.items()}


def part_of(points: Data, i: int, parts: int) -> dict[str, Tensor]:
    """A part of the points of every name.

    Args:
        points: By name, each (b, d).
        parts: Number of parts.
    """
    return {name: x.chunk(parts)[i] for name, x in points.items()}


@dataclass(frozen=True)
class Case:
    """The same training for every contender: network, weights, points, terms; float32.

    Args:
        problem: Key of `PROBLEMS`.
        points: Number of points by part of the domain; the problem's configuration by default.
        width: Width of each of the three hidden layers.
        parts: Number of parts into which the points are cut, with two loss terms each; Helmholtz only.
    """

    problem: str
    points: Mapping[str, int] = field(default_factory=dict)
    width: int = 50
    parts: int = 1

    @property
    def of(self) -> Problem:
        """The problem."""
        return PROBLEMS[self.problem]

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of points by part."""
        return {**self.of.points, **self.points}

    def net(self) -> MLP:
        """The network, always with the same weights."""
        torch.manual_seed(0)
        return MLP(len(self.of.coordinates), len(self.of.fields), [self.width] * 3)

    def module(self, **options: Any) -> PINNModule:
        """Our module of the problem.

        Args:
            **options: Arguments of `PINNModule`.
        """
        options = {"net": self.net(), **options}
        made: PINNModule = self.of.module(**options) if self.parts == 1 else InParts(parts=self.parts, **options)
        return made

    def loader(self) -> CollocationPoints:
        """The points for a Trainer."""
        return CollocationPoints(self.counts, seed=0)

    @cached_property
    def data(self) -> dict[str, Tensor]:
        """The collocation points, and the measurements of an inverse problem."""
        module = self.module()
        measured = {name: buffer for name, buffer in module.named_buffers() if "." not in name}
        return {**self.loader().draw(module.domain, 0), **measured}

    @property
    def residuals(self) -> dict[str, Residual]:
        """The plain residuals by term."""
        if self.parts == 1:
            return dict(self.of.residuals)
        return {
            f"{term}_{i}": _on_part(residual, i, self.parts)
            for i in range(self.parts)
            for term, residual in self.of.residuals.items()
        }

    def losses(self, net: Net, data: Data) -> dict[str, Tensor]:
        """Mean squares of the plain residuals.

        Args:
            net: Maps points (b, d) to fields (b, k).
            data: Points and measurements by name.
        """
        return {term: residual(net, data).square().mean() for term, residual in self.residuals.items()}


def _on_part(residual: Residual, i: int, parts: int) -> Residual:
    return lambda net, data: residual(net, part_of(data, i, parts))
