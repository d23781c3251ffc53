"""Rows of the Jacobian of a residual that is pointwise, from a few points at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from lightning_autobalance.jacobian.row_parts import (
    NOT_POINTWISE,
    ByPart,
    Parts,
    PointFunction,
    as_columns,
    first_points,
    parts_of_rows,
)
from lightning_autobalance.jacobian.single_rows import gradients_of_rows
from lightning_autobalance.shapes import RowMatrix
from lightning_autobalance.utils.agreement import agree

CHUNK = 512  # points whose gradients are held at once,
NUMBERS = 2**25  # as long as these are not more numbers than this
SLOW_CHUNK = 16  # points in one batched backward pass


def rows_per_point(
    network: nn.Module,
    residuals: PointFunction,
    points: ByPart,
    term: str,
    values: Tensor,
    params: Mapping[str, Tensor],
) -> RowMatrix | None:
    """The gradients of all values of a term, (b k, n); None where they do not follow from single points.

    ``torch.func`` differentiates many points at a time. A residual that it cannot trace, such as one with derivatives
    in reverse mode, gets one backward pass per value, of a few points each. Which points a row follows from, points
    that are NaN show; a combination of the rows is then checked against one of all points together.

    Args:
        network: Owns the parameters.
        residuals: Those of the equation.
        points: By part, each (b, d).
        term: Which residual.
        values: It, with its graph, (b, k).
        params: The trained parameters by name in the network, n numbers in total.
    """
    try:
        row_parts = parts_of_rows(residuals, points).get(term, [])
    except (RuntimeError, ValueError, IndexError):  # a residual that refuses points that are NaN
        return None
    if len(row_parts) != len(values):
        return None
    width = sum(p.numel() for p in params.values())
    found = values.detach().new_zeros((*values.shape, width))
    for parts in sorted(set(row_parts)):
        rows = [row for row, others in enumerate(row_parts) if others == parts]
        if not parts or NOT_POINTWISE in parts or {len(points[part]) for part in parts} != {len(rows)}:
            return None
        group = _RowGroup(network, residuals, points, term, parts, params)
        some = _first_right((group.by_transform, group.by_backward), values[rows], list(params.values()))
        if some is None:
            return None
        found[rows] = some
    return found.flatten(0, 1)


@dataclass(frozen=True)
class _RowGroup:
    """Rows of one term's residual that follow from the same parts, one row from one point of each."""

    network: nn.Module
    residuals: PointFunction
    points: ByPart
    term: str
    parts: Parts
    params: Mapping[str, Tensor]

    def by_transform(self) -> Iterator[Tensor]:
        """Gradients at some points, (c, k, n), by ``torch.func``; a RuntimeError where it cannot trace the residual."""
        rows = self._rows(1)
        numbers = sum(p.numel() for p in self.params.values())
        residuals = _Residuals(self.network, self.residuals)

        def value(params: dict[str, Tensor], point: dict[str, Tensor]) -> Tensor:
            batch = first_points(self.points, self.parts, 1) | {part: x[None] for part, x in point.items()}
            return as_columns(functional_call(residuals, params, (batch,))[self.term])[rows][0]

        params = {f"network.{name}": p.detach() for name, p in self.params.items()}
        differentiate = vmap(jacrev(value), in_dims=(None, 0))
        for some in self._split(max(1, min(CHUNK, NUMBERS // numbers))):
            yield torch.cat([g.flatten(2) for g in differentiate(params, some).values()], dim=2)

    def by_backward(self) -> Iterator[Tensor]:
        """The same by one backward pass per value, in small batches of points."""
        rows: dict[int, list[int]] = {}  # the last batch may be smaller
        for some in self._split(SLOW_CHUNK):
            count = len(next(iter(some.values())))
            rows[count] = rows[count] if count in rows else self._rows(count)
            batch = first_points(self.points, self.parts, count) | some
            values = as_columns(self.residuals(batch)[self.term])[rows[count]]
            gradients = gradients_of_rows(values.flatten(), list(self.params.values()))
            yield gradients.view(*values.shape, -1)

    def _split(self, count: int) -> Iterator[dict[str, Tensor]]:
        split = zip(*(torch.split(self.points[part], count) for part in self.parts), strict=True)
        return (dict(zip(self.parts, some, strict=True)) for some in split)

    def _rows(self, count: int) -> list[int]:
        """Where the rows of this group are when there are few points."""
        few = first_points(self.points, self.parts, count)
        return [row for row, parts in enumerate(parts_of_rows(self.residuals, few)[self.term]) if parts == self.parts]


class _Residuals(nn.Module):
    """The residuals as a forward pass, whose parameters ``functional_call`` can replace."""

    def __init__(self, network: nn.Module, residuals: PointFunction) -> None:
        super().__init__()
        self.network = network
        self.residuals = residuals

    def forward(self, points: ByPart) -> Mapping[str, Tensor]:
        return self.residuals(points)


def _first_right(
    ways: Iterable[Callable[[], Iterator[Tensor]]], values: Tensor, params: Sequence[Tensor]
) -> Tensor | None:
    """The first of some gradients, (b, k, n), that are those of the values; None if rows were not pointwise."""
    weights = torch.cos(torch.arange(values.numel(), device=values.device)).to(values.dtype).view_as(values)
    together = torch.autograd.grad(
        values, params, weights, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    expected = torch.cat([g.flatten() for g in together])[None]
    for way in ways:
        try:
            found = torch.cat(list(way()))
        except (RuntimeError, ValueError, IndexError):  # a transform that does not pass; a residual of few points
            continue
        if found.shape[:2] != values.shape:
            continue
        scale = (values.numel() * found.square().sum()).sqrt()[None]  # the combination may cancel
        if agree(torch.tensordot(weights, found, dims=2)[None], expected, scale):
            return found
    return None
