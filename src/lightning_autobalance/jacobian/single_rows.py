"""Rows of the Jacobian by one backward pass each: what always works, and what the faster ways are compared with."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.shapes import RowMatrix, Rows

CHUNK = 16  # rows in one batched backward pass


def rows_one_by_one(values: Rows, params: Sequence[Tensor]) -> RowMatrix:
    """The gradients of many values, (N, n), a few at a time.

    Args:
        values: With their graph, (N,).
        params: n numbers in total.
    """
    return torch.cat([gradients_of_rows(some, params) for some in torch.split(values, CHUNK)])


def gradients_of_rows(values: Rows, params: Sequence[Tensor]) -> RowMatrix:
    """The gradients of a few values, (r, n), in one batched backward pass where every operation can be batched."""
    units = torch.eye(len(values), dtype=values.dtype, device=values.device)
    options: dict[str, Any] = {"retain_graph": True, "allow_unused": True}
    found: Sequence[Tensor | None]
    try:
        found = torch.autograd.grad(values, params, units, is_grads_batched=True, **options)
    except RuntimeError:  # an operation that cannot be batched
        rows = [torch.autograd.grad(values, params, unit, **options) for unit in units]
        found = [None if column[0] is None else torch.stack(column) for column in zip(*rows, strict=True)]
    shapes = [(len(values), p.numel()) for p in params]
    columns = [values.new_zeros(s) if g is None else g.reshape(s) for g, s in zip(found, shapes, strict=True)]
    return torch.cat(columns, dim=1).detach()
