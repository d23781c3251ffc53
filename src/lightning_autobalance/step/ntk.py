"""Diagonals of the neural tangent kernels of residuals, for balancers that weigh terms by them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from lightning_autobalance.shapes import Losses
from lightning_autobalance.step.losses import ByPart, PointFunction
from lightning_autobalance.step.row_parts import NOT_POINTWISE, Parts, as_columns, first_points, parts_of_rows
from lightning_autobalance.utils.agreement import agree
from lightning_autobalance.utils.distributed import sum_over_ranks

CHUNK = 512  # points whose gradients are held at once,
NUMBERS = 2**25  # as long as these are not more numbers than this
SLOW_CHUNK = 16  # residual values in one batched backward pass

Gradients = list[Tensor]  # of c values of k columns, by each parameter: (c, k, *shape)


def ntk_diagonals(network: nn.Module, residuals: PointFunction, points: ByPart, weights: Mapping[str, float]) -> Losses:
    r"""Mean diagonal of each residual's kernel, :math:`\frac{1}{bk} \sum_{jl} \|\partial r_{i,jl} / \partial w\|^2`.

    Exact. ``torch.func`` differentiates many points at a time. A residual that it cannot trace, such as one with
    derivatives in reverse mode, gets one backward pass per value, of a few points each: about 10 times as long. A
    residual that is not pointwise gets one of all its points per value, which takes b times as long as a step. Which it
    is, points that are NaN show; a combination of the gradients is then checked against one of all points together.

    A fixed weight counts as a factor, since it makes the residual that of the root of the weight. Gradients on
    parameters and random states are left alone.

    Args:
        network: Owns the parameters w that the residuals depend on.
        residuals: Those of the equation.
        points: By part, each (b, d).
        weights: Fixed weights by term; 1 where a term has none.

    Returns:
        One number per term, (m,).
    """
    with torch.inference_mode(False), torch.enable_grad(), _random_state_kept(network):
        found = {term: as_columns(residual) for term, residual in residuals(points).items()}
        parts = parts_of_rows(residuals, points)
        sums = [_sum_of_squares(network, residuals, points, term, r, parts[term]) for term, r in found.items()]
    counts = torch.tensor([float(r.numel()) for r in found.values()]).to(sums[0])
    means = sum_over_ranks(torch.stack(sums)) / sum_over_ranks(counts)
    return torch.stack([weights.get(term, 1.0) * mean for term, mean in zip(found, means, strict=True)])


@contextmanager
def _random_state_kept(module: nn.Module) -> Iterator[None]:
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        yield


def _sum_of_squares(
    network: nn.Module,
    residuals: PointFunction,
    points: ByPart,
    term: str,
    values: Tensor,
    row_parts: list[Parts],
) -> Tensor:
    params = {name: p for name, p in network.named_parameters() if p.requires_grad}
    total = values.new_zeros(())
    for parts in sorted(set(row_parts)):
        rows = [row for row, found in enumerate(row_parts) if found == parts]
        group = _RowGroup(network, residuals, points, term, parts, params)
        total = total + _sum_of_group(group, values[rows])
    return total


def _sum_of_group(group: "_RowGroup", values: Tensor) -> Tensor:
    params = list(group.params.values())
    if not values.requires_grad:
        return values.new_zeros(())
    one_row_each = group.parts and NOT_POINTWISE not in group.parts
    if one_row_each and {len(group.points[part]) for part in group.parts} == {len(values)}:
        for chunks in (group.by_transform(), group.by_backward()):
            total = _checked_sum(chunks, values, params)
            if total is not None:
                return total
    return sum((_squares(_gradients(some, params)) for some in torch.split(values, SLOW_CHUNK)), values.new_zeros(()))


@dataclass(frozen=True)
class _RowGroup:
    """Rows of one term's residual that follow from the same parts, one row from one point of each."""

    network: nn.Module
    residuals: PointFunction
    points: ByPart
    term: str
    parts: Parts
    params: Mapping[str, Tensor]

    def by_transform(self) -> Iterator[Gradients]:
        """Gradients at single points, by ``torch.func``; a RuntimeError where it cannot trace the residual."""
        rows = self._rows(1)
        numbers = sum(p.numel() for p in self.params.values())
        residuals = _Residuals(self.network, self.residuals)

        def value(params: dict[str, Tensor], point: dict[str, Tensor]) -> Tensor:
            batch = first_points(self.points, self.parts, 1) | {part: x[None] for part, x in point.items()}
            return as_columns(functional_call(residuals, params, (batch,))[self.term])[rows][0]

        params = {f"network.{name}": p.detach() for name, p in self.params.items()}
        differentiate = vmap(jacrev(value), in_dims=(None, 0))
        for some in self._split(max(1, min(CHUNK, NUMBERS // numbers))):
            yield list(differentiate(params, some).values())

    def by_backward(self) -> Iterator[Gradients]:
        """The same by one backward pass per value, in small batches of points."""
        rows: dict[int, list[int]] = {}  # the last batch may be smaller
        for some in self._split(SLOW_CHUNK):
            count = len(next(iter(some.values())))
            rows[count] = rows[count] if count in rows else self._rows(count)
            batch = first_points(self.points, self.parts, count) | some
            values = as_columns(self.residuals(batch)[self.term])
            yield _gradients(values[rows[count]], list(self.params.values()))

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

    def forward(self, points: ByPart) -> dict[str, Tensor]:
        return self.residuals(points)


def _checked_sum(chunks: Iterable[Gradients], values: Tensor, params: list[Tensor]) -> Tensor | None:
    """The sum of squares, or None where these are not the residual's gradients: rows were not pointwise."""
    weights = torch.cos(torch.arange(values.numel(), device=values.device)).to(values.dtype).view_as(values)
    combined = [torch.zeros_like(p) for p in params]
    total, done = values.new_zeros(()), 0
    try:
        for gradients in chunks:
            some = weights[done : done + len(gradients[0])]
            for combination, gradient in zip(combined, gradients, strict=True):
                combination += torch.tensordot(some, gradient, dims=2)
            total, done = total + _squares(gradients), done + len(some)
    except (RuntimeError, ValueError, IndexError):  # a transform that does not pass; a residual of few points
        return None
    together = torch.autograd.grad(
        values, params, weights, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    scale = (values.numel() * total).sqrt()[None]  # the combination may cancel
    return total if agree(_row(combined), _row(together), scale) else None


def _row(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])[None]


def _gradients(values: Tensor, params: list[Tensor]) -> Gradients:
    """The gradients of each value, (c, k), by each parameter: (c, k, *shape)."""
    units = torch.eye(values.numel(), dtype=values.dtype, device=values.device).view(-1, *values.shape)
    options: dict[str, Any] = {"retain_graph": True, "allow_unused": True}
    columns: Iterable[Tensor | None]
    try:
        columns = torch.autograd.grad(values, params, units, is_grads_batched=True, **options)
    except RuntimeError:  # an operation that cannot be batched
        rows = [torch.autograd.grad(values, params, unit, **options) for unit in units]
        columns = [None if column[0] is None else torch.stack(column) for column in zip(*rows, strict=True)]
    shapes = [(*values.shape, *p.shape) for p in params]
    return [values.new_zeros(s) if g is None else g.reshape(s) for g, s in zip(columns, shapes, strict=True)]


def _squares(tensors: Iterable[Tensor]) -> Tensor:
    flat = [tensor.detach().flatten() for tensor in tensors]
    return torch.stack([torch.dot(numbers, numbers) for numbers in flat]).sum()
