"""Records the linear layers of a forward pass, from which rows of the Jacobian follow without a loop over rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from lightning_autobalance.jacobian.rows import RowIndex


@dataclass(frozen=True)
class LinearCall:
    """One application of a linear layer.

    Args:
        weight: (o, i).
        bias: (o,), or None.
        inputs: (b, i).
        outputs: (b, o), a node of the graph.
    """

    weight: Tensor
    bias: Tensor | None
    inputs: Tensor
    outputs: Tensor


class LinearTape(TorchFunctionMode):
    """While open, keeps every call of ``torch.nn.functional.linear`` with one of the parameters as weight.

    A stream of a Taylor jet that is the same for all points, (1, i), is expanded to the points of the call before it.

    Args:
        params: The parameters.

    Attributes:
        calls: In the order of the forward pass.
        unusual: Parameters in calls whose inputs are not (b, i).
    """

    def __init__(self, params: Iterable[Tensor]) -> None:
        super().__init__()
        self._params = set(params)
        self.calls: list[LinearCall] = []
        self.unusual: set[Tensor] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do what is called, and record it if it is a linear layer."""
        found = func(*args, **(kwargs or {}))
        if func is linear:
            return self._record(found, *_arguments(*args, **(kwargs or {})))
        return found

    def _record(self, outputs: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        known = None if bias is None or bias not in self._params else bias
        if weight not in self._params and known is None:
            return outputs
        if x.dim() != 2:
            self.unusual |= {weight} if known is None else {weight, known}
            return outputs
        if len(x) == 1 and self.calls and self.calls[-1].weight is weight:
            count = len(self.calls[-1].inputs)
            x, outputs = x.expand(count, -1), outputs.expand(count, -1)
        self.calls.append(LinearCall(weight, known, x.detach(), outputs))
        return outputs

    def recorded(self) -> set[Tensor]:
        """The parameters whose every use may be on the tape."""
        weights = {call.weight for call in self.calls} | {call.bias for call in self.calls if call.bias is not None}
        return (weights & self._params) - self.unusual


PointMap: TypeAlias = tuple[Tensor | None, RowIndex]
"""Which points of a call (all where None) feed which rows of a group, in the same order."""


def find_map(ones: Tensor, numbered: Tensor, count: int) -> PointMap | None:
    r"""Which row each point of a call feeds, from the derivatives of two sums of the rows.

    A point that feeds row j alone has :math:`\partial (\sum_j u_j r_j) = u_j \, \partial (\sum_j r_j)`, so that the
    ratio of the two tells j.

    Args:
        ones: Derivatives of the sum of all rows by the outputs of the call, (b, o).
        numbered: Those of the sum of row j times ``row_numbers(count)[j]``, (b, o).
        count: Number of rows.

    Returns:
        None if a point feeds several rows.
    """
    sizes = ones.square().sum(dim=1)
    live = sizes > 0
    ratio = (numbered * ones).sum(dim=1)[live] / sizes[live]
    error = (numbered[live] - ratio[:, None] * ones[live]).square().sum(dim=1).sqrt() / sizes[live].sqrt()
    position = (ratio - 1) * count
    rows = position.round()
    if not bool(((error * count < 0.25) & ((position - rows).abs() < 0.25) & (rows >= 0) & (rows < count)).all()):
        return None
    rows, points = rows.long(), live.nonzero()[:, 0]
    if len(ones) == count and torch.equal(rows, points):
        return None, slice(0, count)
    return points, rows


def row_numbers(count: int, like: Tensor) -> Tensor:
    """Different numbers, one per row, (count,), from 1 to below 2."""
    return 1 + torch.arange(count, dtype=like.dtype, device=like.device) / count


def _arguments(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:  # noqa: A002  torch's name
    return input, weight, bias
