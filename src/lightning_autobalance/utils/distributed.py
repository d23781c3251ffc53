"""Points spread over processes: rank r of W owns rows r, r + W, r + 2W, ... of all points.

In a single process everything here is the identity. Every function but `own_rows` must be called by all processes at
once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch import Tensor

_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


@contextmanager
def single_process() -> Iterator[None]:
    """While open, this process acts as if there were no others: for what one of them may do by itself."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if _several() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if _several() else 1


def own_rows(x: Tensor, axis: int = 0) -> Tensor:
    """The rows of this process.

    Args:
        x: Rows of all points along the axis.
        axis: Which.
    """
    if world_size() == 1:
        return x
    index: list[slice] = [slice(None)] * x.dim()
    index[axis] = slice(rank(), None, world_size())
    return x[tuple(index)].contiguous()


def gather_rows(x: Tensor, axis: int = 0) -> Tensor:
    """The rows of all processes, in the order that they have in a single one.

    Args:
        x: Rows of this process along the axis.
        axis: Which.
    """
    if world_size() == 1:
        return x
    rows = x.detach().movedim(axis, 0).contiguous()
    counts = [int(count) for count in sum_over_ranks(_only_mine(len(rows), x.device))]
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    whole = rows.new_empty((sum(counts), *rows.shape[1:]))
    for r, (part, count) in enumerate(zip(parts, counts, strict=True)):
        whole[r :: world_size()] = part[:count]
    return whole.movedim(0, axis)


def sum_over_ranks(x: Tensor) -> Tensor:
    """The sum over processes.

    Args:
        x: Of the same shape everywhere.
    """
    return _reduced(x, "SUM")


def max_over_ranks(x: Tensor) -> Tensor:
    """The maximum over processes.

    Args:
        x: Of the same shape everywhere.
    """
    return _reduced(x, "MAX")


def _reduced(x: Tensor, operation: str) -> Tensor:
    if world_size() == 1:
        return x
    reduced = x.detach().clone()
    dist.all_reduce(reduced, op=getattr(dist.ReduceOp, operation))
    return reduced


def _only_mine(count: int, device: torch.device) -> Tensor:
    counts = torch.zeros(world_size(), dtype=torch.int64, device=device)
    counts[rank()] = count
    return counts


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and not _ALONE.get()
