"""The Jacobian of all residual values: one row per value, kept as sums of outer products where layers are linear."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from lightning_autobalance.shapes import Gradient, RowMatrix, Rows

CHUNK = 256  # rows of a block that are dense beside the whole

RowIndex: TypeAlias = slice | Tensor
"""Which rows of the whole a block has: a slice, or indices (b,)."""


@dataclass(frozen=True)
class LinearBlock:
    r"""Rows by the weight of a linear layer, :math:`\sum_s \delta_{sb} \otimes h_{sb}`, flattened.

    Args:
        rows: Which rows.
        columns: Those of the weight, o i of them.
        deltas: Derivatives of each row by the layer's outputs, in s streams, (b, s, o).
        inputs: The layer's inputs, (b, s, i); ones, (b, s, 1), for a bias.
    """

    rows: RowIndex
    columns: slice
    deltas: Tensor
    inputs: Tensor

    def dense(self, some: slice = slice(None)) -> Tensor:
        """The block, (b, o i), or some of its rows."""
        return torch.bmm(self.deltas[some].transpose(1, 2), self.inputs[some]).flatten(1)

    def __len__(self) -> int:
        return len(self.deltas)

    def times(self, vector: Tensor) -> Tensor:
        """Its product with a weight, (o i,), (b,)."""
        weight = vector.view(self.deltas.shape[2], self.inputs.shape[2])
        return (self.deltas * (self.inputs @ weight.T)).sum(dim=(1, 2))

    def transposed_times(self, vector: Tensor) -> Tensor:
        """The product of its transpose with (b,), (o i,)."""
        weighted = self.deltas * vector[:, None, None]
        return (weighted.flatten(0, 1).T @ self.inputs.flatten(0, 1)).flatten()

    def picked(self, position: Tensor) -> "LinearBlock":
        """Its rows where they have a position >= 0, (b,), at that position."""
        kept = position >= 0
        return replace(self, rows=position[kept], deltas=self.deltas[kept], inputs=self.inputs[kept])

    def scaled(self, factors: Tensor) -> "LinearBlock":
        """Each row times its factor, (b,)."""
        return replace(self, deltas=self.deltas * factors[:, None, None])


@dataclass(frozen=True)
class DenseBlock:
    """Rows as they are.

    Args:
        rows: Which rows.
        columns: Which columns.
        values: (b, columns).
    """

    rows: RowIndex
    columns: slice
    values: Tensor

    def dense(self, some: slice = slice(None)) -> Tensor:
        """The block, (b, columns), or some of its rows."""
        return self.values[some]

    def __len__(self) -> int:
        return len(self.values)

    def times(self, vector: Tensor) -> Tensor:
        """Its product with a vector of its columns, (b,)."""
        return self.values @ vector

    def transposed_times(self, vector: Tensor) -> Tensor:
        """The product of its transpose with a vector of its rows, (columns,)."""
        return self.values.T @ vector

    def picked(self, position: Tensor) -> "DenseBlock":
        """Its rows where they have a position >= 0, (b,), at that position."""
        kept = position >= 0
        return replace(self, rows=position[kept], values=self.values[kept])

    def scaled(self, factors: Tensor) -> "DenseBlock":
        """Each row times its factor, (b,)."""
        return replace(self, values=self.values * factors[:, None])


RowBlock: TypeAlias = LinearBlock | DenseBlock
"""Some rows and neighbouring columns of a Jacobian; blocks add up."""


class RowJacobian:
    """The Jacobian J of N residual values by n parameters, (N, n), as a sum of blocks.

    Args:
        blocks: They may overlap.
        shape: N and n.
        like: A tensor that gives type and device.
    """

    def __init__(self, blocks: Sequence[RowBlock], shape: tuple[int, int], like: Tensor) -> None:
        self.blocks = blocks
        self.shape = shape
        self._like = like

    def dense(self) -> RowMatrix:
        """J itself, (N, n)."""
        matrix = self._like.new_zeros(self.shape)
        for block in self.blocks:
            for first in range(0, len(block), CHUNK):
                some = slice(first, first + CHUNK)
                _add(matrix[:, block.columns], _part(block.rows, some), block.dense(some))
        return matrix

    def times(self, vector: Gradient) -> Rows:
        """J v, (N,)."""
        product = self._like.new_zeros(self.shape[0])
        for block in self.blocks:
            _add(product, block.rows, block.times(vector[block.columns]))
        return product

    def transposed_times(self, vector: Rows) -> Gradient:
        """J^T u, (n,)."""
        product = self._like.new_zeros(self.shape[1])
        for block in self.blocks:
            product[block.columns] += block.transposed_times(vector[block.rows])
        return product

    def row_squares(self) -> Rows:
        """The squared norm of every row, (N,)."""
        some = torch.split(torch.arange(self.shape[0], device=self._like.device), CHUNK)
        return torch.cat([self.picked(rows).dense().square().sum(dim=1) for rows in some])

    def picked(self, rows: Tensor) -> "RowJacobian":
        """Some of the rows, (r,) different indices, in their order."""
        position = self._like.new_full((self.shape[0],), -1, dtype=torch.long)
        position[rows] = torch.arange(len(rows), device=rows.device)
        blocks = [block.picked(position[block.rows]) for block in self.blocks]
        return RowJacobian(blocks, (len(rows), self.shape[1]), self._like)

    def scaled(self, factors: Rows) -> "RowJacobian":
        """Each row times its factor, (N,)."""
        return RowJacobian([block.scaled(factors[block.rows]) for block in self.blocks], self.shape, self._like)


def _part(rows: RowIndex, some: slice) -> RowIndex:
    """Which rows some of a block's rows are."""
    if isinstance(rows, Tensor):
        return rows[some]
    every, first = rows.step or 1, rows.start or 0
    stop = rows.stop if some.stop is None else min(rows.stop, first + some.stop * every)
    return slice(first + some.start * every, stop, every)


def _add(total: Tensor, rows: RowIndex, values: Tensor) -> None:
    if isinstance(rows, slice):
        total[rows] += values
    else:
        total.index_add_(0, rows, values)
