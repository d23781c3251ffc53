"""Points distributed over processes: rank r of W owns rows r, r + W, r + 2W, ... of all points.

In a single process every function is the identity. `gather_rows` and the reductions are collective: all processes must
call them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
_ALONE: ContextVar[bool] = ContextVar("alone", default=False)
PLACE_IN_SOURCE = re.compile(r"^\[[^\]]*\]\s*")  # with which messages of gloo begin
COLLECTIVE_ERRORS = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe")


class LostProcessError(RuntimeError):
    """Another process of the run has ended, or cannot be reached."""


def is_lost_process(error: BaseException) -> bool:
    """Whether an exception of ``torch.distributed``, also when raised by Lightning, says that another process is gone.

    Args:
        error: Any exception; torch's backends raise plain RuntimeErrors, which only their text tells apart.
    """
    if isinstance(error, LostProcessError | dist.DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in COLLECTIVE_ERRORS)


def lost_process(error: BaseException) -> LostProcessError:
    """The error of one line for an exception of which `is_lost_process` is true."""
    if isinstance(error, LostProcessError):
        return error
    found = PLACE_IN_SOURCE.sub("", str(error).splitlines()[0]).split(". ")[0].rstrip(".")
    return LostProcessError(
        f"`devices`: all processes of a run must go on to its end, another one was lost ({found}). It was killed or "
        "ended with an error, which its own output shows. Go on from the last checkpoint with `ckpt_path`."
    )


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if is_lost_process(error):
            raise lost_process(error) from error
        raise


@contextmanager
def single_process() -> Iterator[None]:
    """While open, this process acts as if it were the only one, for work that a single rank does by itself."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def rank() -> int:
    """Rank of this process; 0 without distributed training."""
    return dist.get_rank() if _is_distributed() else 0


def world_size() -> int:
    """Number of processes; 1 without distributed training."""
    return dist.get_world_size() if _is_distributed() else 1


def own_rows(x: Tensor, axis: int = 0) -> Tensor:
    """The rows of this process.

    Args:
        x: The rows of all processes.
        axis: The axis of the rows.
    """
    if world_size() == 1:
        return x
    index: list[slice] = [slice(None)] * x.dim()
    index[axis] = slice(rank(), None, world_size())
    return x[tuple(index)].contiguous()


def gather_rows(x: Tensor, axis: int = 0) -> Tensor:
    """The rows of all processes, in the order of a single process; the inverse of `own_rows`.

    Where the numbers are not those of `own_rows`, the rows of one process come after those of another.

    Args:
        x: The rows of this process; their number may differ between processes.
        axis: The axis of the rows.
    """
    if world_size() == 1:
        return x
    rows = x.detach().movedim(axis, 0).contiguous()
    counts = [int(count) for count in sum_over_ranks(_at_own_rank(len(rows), x.device))]
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    with _answered():
        dist.all_gather(parts, padded)
    found = [part[:count] for part, count in zip(parts, counts, strict=True)]
    gathered = rows.new_empty((sum(counts), *rows.shape[1:]))
    own = [gathered[r :: world_size()] for r in range(world_size())]
    if [
        len(mine) for mine in own
    ] != counts:  # of points that meet a condition: their places in the whole are not known
        return torch.cat(found).movedim(0, axis)
    for mine, part in zip(own, found, strict=True):
        mine.copy_(part)
    return gathered.movedim(0, axis)


def gather_objects(x: T) -> list[T]:
    """The objects of all processes, by rank.

    Args:
        x: Of this process; it is pickled.
    """
    if world_size() == 1:
        return [x]
    found: list[T] = [x] * world_size()
    with _answered():
        dist.all_gather_object(found, x)
    return found


def sum_over_ranks(x: Tensor) -> Tensor:
    """The elementwise sum over processes, which must have the same shape."""
    return _reduced(x, "SUM")


def max_over_ranks(x: Tensor) -> Tensor:
    """The elementwise maximum over processes, which must have the same shape."""
    return _reduced(x, "MAX")


def _reduced(x: Tensor, operation: str) -> Tensor:
    if world_size() == 1:
        return x
    reduced = x.detach().clone()
    with _answered():
        dist.all_reduce(reduced, op=getattr(dist.ReduceOp, operation))
    return reduced


def _at_own_rank(count: int, device: torch.device) -> Tensor:
    counts = torch.zeros(world_size(), dtype=torch.int64, device=device)
    counts[rank()] = count
    return counts


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and not _ALONE.get()
