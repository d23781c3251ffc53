"""Rows of the Jacobian for any residual: all in one backward pass where layers are linear, else a few at a time."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from lightning_autobalance.jacobian.linear_tape import (
    LinearCall,
    LinearTape,
    PointMap,
    find_map,
    row_numbers,
)
from lightning_autobalance.jacobian.per_point import rows_per_point
from lightning_autobalance.jacobian.row_parts import ByPart, PointFunction
from lightning_autobalance.jacobian.rows import DenseBlock, LinearBlock, RowBlock, RowIndex, RowJacobian
from lightning_autobalance.jacobian.single_rows import rows_one_by_one
from lightning_autobalance.shapes import Rows
from lightning_autobalance.utils.agreement import agree

FEW = 64  # numbers in parameters outside linear layers for which a backward pass each is cheaper than one per row


class RowJacobians:
    r"""Makes the Jacobian of all residual values, one row per value.

    .. math:: J_{b} = \sum_{s} \delta_{sb} \otimes h_{sb}

    for the weight of a linear layer with inputs h and derivatives :math:`\delta` of row b by its outputs, summed over
    the calls and the Taylor streams s. Where every point feeds one row of a term, one backward pass of the sum of the
    rows gives all :math:`\delta` at once. Which row each point feeds, a second pass finds, and a third compares the
    result with automatic differentiation; both are done once for each sequence of calls. Parameters outside linear
    layers, such as an unknown coefficient, get their columns one by one. A term that fails the comparison, such as one
    with derivatives in reverse mode, is done a few points at a time (`per_point`), or, where its rows do not follow
    from single points, row by row (`single_rows`).

    Args:
        network: Owns the parameters.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._maps: dict[tuple[Any, ...], list[PointMap | None] | None] = {}

    def __call__(
        self, residuals: PointFunction, points: ByPart, params: Sequence[Tensor]
    ) -> tuple[dict[str, Tensor], RowJacobian]:
        r"""The residuals and their Jacobian.

        Args:
            residuals: From points to residuals by term, each (b,) or (b, k).
            points: By part, each (b, d).
            params: n numbers in total, in the order of the columns.

        Returns:
            The residuals without graph, and J, (N, n), with the rows of term after term, (b, k) flattened.
        """
        tape = LinearTape(params)
        with torch.enable_grad(), tape:
            found = dict(residuals(points))
        columns = dict(zip(params, _slices([p.numel() for p in params]), strict=True))
        blocks: list[RowBlock] = []
        offset = 0
        with torch.enable_grad():
            for term, values in found.items():
                each = values[:, None] if values.dim() == 1 else values
                groups = [
                    _Group(group, offset + column, each.shape[1], tape, columns)
                    for column, group in enumerate(each.unbind(1))
                ]
                fast = self._fast(term, groups)
                blocks += fast if fast is not None else self._slow(term, each, offset, residuals, points, params)
                offset += values.numel()
        shape = (offset, sum(p.numel() for p in params))
        return {term: values.detach() for term, values in found.items()}, RowJacobian(blocks, shape, params[0].detach())

    def _fast(self, term: str, groups: Sequence["_Group"]) -> list[RowBlock] | None:
        blocks: list[RowBlock] = []
        for column, group in enumerate(groups):
            if not len(group.values) or not group.values.requires_grad:
                continue
            key = (term, column, len(group.values), *(len(call.inputs) for call in group.tape.calls))
            if key not in self._maps:
                self._maps[key] = group.find_maps()
            if (maps := self._maps[key]) is None:
                return None
            blocks += [*group.linear(maps), *group.others()]
        return blocks

    def _slow(
        self,
        term: str,
        values: Tensor,
        offset: int,
        residuals: PointFunction,
        points: ByPart,
        params: Sequence[Tensor],
    ) -> list[RowBlock]:
        names: dict[Tensor, str] = {p: name for name, p in self.network.named_parameters()}
        rows = None
        if all(p in names for p in params):
            named = {names[p]: p for p in params}
            rows = rows_per_point(self.network, residuals, points, term, values, named)
        if rows is None:
            rows = rows_one_by_one(values.flatten(), params)
        return [DenseBlock(slice(offset, offset + len(rows)), slice(0, rows.shape[1]), rows)]


class _Group:
    """One column of a term's residual: its values, (b,), and the rows of the Jacobian that they have."""

    def __init__(self, values: Rows, first: int, every: int, tape: LinearTape, columns: Mapping[Tensor, slice]) -> None:
        self.values = values
        self.first, self.every = first, every
        self.tape = tape
        self.columns = columns

    def find_maps(self) -> list[PointMap | None] | None:
        """By call, which rows its points feed; None if these are not the residual's gradients."""
        count = len(self.values)
        numbers = row_numbers(count, self.values)
        maps: list[PointMap | None] = []
        for one, numbered in zip(self._deltas(), self._deltas(numbers), strict=True):
            found = None
            if one is not None and numbered is not None:
                found = find_map(one, numbered, count)
                if found is None:
                    return None
            maps.append(found)
        if sum(p.numel() for p in self._outside()) > FEW:
            return None
        return maps if self._is_right([*self.linear(maps), *self.others()]) else None

    def linear(self, maps: Sequence[PointMap | None]) -> Iterator[RowBlock]:
        """The columns of linear layers; calls of one layer at the same points are streams of one block."""
        together: dict[Tensor, list[tuple[LinearCall, Tensor, PointMap]]] = {}
        for call, delta, found in zip(self.tape.calls, self._deltas(), maps, strict=True):
            if delta is not None and found is not None:
                together.setdefault(call.weight, []).append((call, delta, found))
        for weight, calls in together.items():
            for points, rows, some in _by_map(calls):
                picked = [(call, d if points is None else d[points]) for call, d in some]
                if weight in self.columns:
                    inputs = [call.inputs if points is None else call.inputs[points] for call, _ in some]
                    yield self._block(weight, rows, [d for _, d in picked], inputs)
                for bias in dict.fromkeys(call.bias for call, _ in picked if call.bias is not None):
                    deltas = [d for call, d in picked if call.bias is bias]
                    yield self._block(bias, rows, deltas, [torch.ones_like(d[:, :1]) for d in deltas])

    def _block(self, p: Tensor, rows: RowIndex, deltas: list[Tensor], inputs: list[Tensor]) -> LinearBlock:
        return LinearBlock(self._rows(rows), self.columns[p], torch.stack(deltas, dim=1), torch.stack(inputs, dim=1))

    def _rows(self, rows: RowIndex) -> RowIndex:
        if isinstance(rows, slice):
            last = self.first + (len(self.values) - 1) * self.every
            return slice(self.first, last + 1, self.every)
        return self.first + self.every * rows

    def others(self) -> Iterator[RowBlock]:
        """The columns of parameters outside linear layers, by differentiating a product with all rows."""
        ones = torch.ones_like(self.values).requires_grad_()
        for p in self._outside():
            product = torch.autograd.grad(self.values, p, ones, create_graph=True)[0]
            columns = [
                torch.autograd.grad(x, ones, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
                if x.requires_grad
                else torch.zeros_like(ones)
                for x in product.flatten()
            ]
            yield DenseBlock(self._rows(slice(None)), self.columns[p], torch.stack(columns, dim=1).detach())

    def _outside(self) -> list[Tensor]:
        rest = [p for p in self.columns if p not in self.tape.recorded()]
        if not rest:
            return []
        reached = torch.autograd.grad(self.values.sum(), rest, retain_graph=True, allow_unused=True)
        return [p for p, gradient in zip(rest, reached, strict=True) if gradient is not None]

    def _deltas(self, factors: Tensor | None = None) -> list[Tensor | None]:
        outputs = [call.outputs for call in self.tape.calls]
        if not outputs:
            return []
        weights = torch.ones_like(self.values) if factors is None else factors
        return list(torch.autograd.grad(self.values, outputs, weights, retain_graph=True, allow_unused=True))

    def _is_right(self, blocks: Sequence[RowBlock]) -> bool:
        weights = torch.cos(torch.arange(len(self.values), device=self.values.device)).to(self.values.dtype)
        width = sum(p.numel() for p in self.columns)
        whole = RowJacobian(blocks, (self.first + len(self.values) * self.every, width), self.values.detach())
        vector = self.values.new_zeros(whole.shape[0])
        vector[self._rows(slice(None))] = weights
        slow = torch.autograd.grad(
            self.values, list(self.columns), weights, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return agree(whole.transposed_times(vector)[None], torch.cat([x.flatten() for x in slow])[None])


def _by_map(
    calls: Sequence[tuple[LinearCall, Tensor, PointMap]],
) -> list[tuple[Tensor | None, RowIndex, list[tuple[LinearCall, Tensor]]]]:
    groups: list[tuple[Tensor | None, RowIndex, list[tuple[LinearCall, Tensor]]]] = []
    for call, delta, (points, rows) in calls:
        for other_points, other_rows, some in groups:
            if _equal(points, other_points) and _equal(rows, other_rows):
                some.append((call, delta))
                break
        else:
            groups.append((points, rows, [(call, delta)]))
    return groups


def _equal(one: RowIndex | None, other: RowIndex | None) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and one == other


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
