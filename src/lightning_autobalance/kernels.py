"""Diagonals of the neural tangent kernels of a module's residuals."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.distributed import sum_over_ranks

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

CHUNK = 512  # points whose gradients are held at once,
NUMBERS = 2**25  # as long as these are not more numbers than this
SLOW_CHUNK = 16  # values in one batched backward pass

Parts = tuple[str, ...]
Gradients = list[Tensor]  # of c values of k columns, by each parameter: (c, k, *shape)


def kernel_diagonals(module: "PINNModule", points: Mapping[str, Tensor]) -> Losses:
    r"""Mean diagonal of each residual's kernel, :math:`\frac{1}{bk} \sum_{jl} \|\partial r_{i,jl} / \partial w\|^2`.

    Exact. ``torch.func`` differentiates many points at a time. A residual that it cannot look into, such as one with
    derivatives in reverse mode, gets one backward pass per value, of a few points each: about 10 times as long. A
    residual that is not pointwise gets one of all its points per value, which takes b times as long as a step. Which it
    is, points that are NaN show; a combination of the gradients is then checked against one of all points together.

    A fixed weight of the module counts as a factor, since it makes the residual that of the root of the weight.
    Gradients on parameters and random states are left alone.

    Args:
        module: Its residuals.
        points: The collocation points by part, each (b, d).

    Returns:
        One number per term, (m,).
    """
    with torch.inference_mode(False), torch.enable_grad(), _random_state_kept(module):
        residuals = {term: _table(r) for term, r in module.residuals(points).items()}
        rows_from = origins(module, points)
        sums = [_sum_of_squares(module, points, term, r, rows_from[term]) for term, r in residuals.items()]
    counts = torch.tensor([float(r.numel()) for r in residuals.values()]).to(sums[0])
    means = sum_over_ranks(torch.stack(sums)) / sum_over_ranks(counts)  # over the points of all processes
    return torch.stack([module.weights.get(term, 1.0) * mean for term, mean in zip(residuals, means, strict=True)])


def _table(residual: Tensor) -> Tensor:
    """(b,) or (b, k) to (b, k)."""
    return residual.reshape(len(residual), -1)


@contextmanager
def _random_state_kept(module: nn.Module) -> Iterator[None]:
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        yield


def origins(module: "PINNModule", points: Mapping[str, Tensor]) -> dict[str, list[Parts]]:
    """By term, from the points of which parts each row of its residual follows: points that are NaN show it.

    Args:
        module: Its residuals.
        points: The collocation points by part, each (b, d).
    """
    rows: dict[str, list[Parts]] = {}
    for part, x in points.items():
        spoilt = module.residuals({**points, part: torch.full_like(x, torch.nan)})
        for term, residual in spoilt.items():
            touched = _table(residual).isnan().any(dim=1).tolist()
            before = rows.get(term, [()] * len(touched))
            rows[term] = [(*parts, part) if t else parts for parts, t in zip(before, touched, strict=True)]
    return rows


def _sum_of_squares(
    module: "PINNModule", points: Mapping[str, Tensor], term: str, residual: Tensor, rows_from: list[Parts]
) -> Tensor:
    params = {name: p for name, p in module.named_parameters() if p.requires_grad}
    total = residual.new_zeros(())
    for parts in sorted(set(rows_from)):
        own = residual[[row for row, found in enumerate(rows_from) if found == parts]]
        group = _Group(module, points, term, parts, params)
        total = total + _sum_of_group(group, own)
    return total


def _sum_of_group(group: "_Group", own: Tensor) -> Tensor:
    params = list(group.params.values())
    if not own.requires_grad:
        return own.new_zeros(())
    if group.parts and {len(group.points[part]) for part in group.parts} == {len(own)}:
        for chunks in (group.by_transform(), group.by_backward()):
            total = _checked(chunks, own, params)
            if total is not None:
                return total
    return sum((_squares(_gradients(some, params)) for some in torch.split(own, SLOW_CHUNK)), start=own.new_zeros(()))


@dataclass(frozen=True)
class _Group:
    """Rows of one term's residual that follow from the same parts, one row from one point of each."""

    module: "PINNModule"
    points: Mapping[str, Tensor]
    term: str
    parts: Parts
    params: Mapping[str, Tensor]

    def by_transform(self) -> Iterator[Gradients]:
        """Gradients at single points, by ``torch.func``; a RuntimeError where it cannot look in."""
        rows = self._rows(1)
        numbers = sum(p.numel() for p in self.params.values())
        net = _Residuals(self.module)

        def value(params: dict[str, Tensor], point: dict[str, Tensor]) -> Tensor:
            batch = self._few(1) | {part: x[None] for part, x in point.items()}
            return _table(functional_call(net, params, (batch,))[self.term])[rows][0]

        params = {f"module.{name}": p.detach() for name, p in self.params.items()}
        differentiate = vmap(jacrev(value), in_dims=(None, 0))
        for some in self._split(max(1, min(CHUNK, NUMBERS // numbers))):
            yield list(differentiate(params, some).values())

    def by_backward(self) -> Iterator[Gradients]:
        """The same by one backward pass per value, in small batches of points."""
        rows: dict[int, list[int]] = {}  # the last batch may be smaller
        for some in self._split(SLOW_CHUNK):
            count = len(next(iter(some.values())))
            rows[count] = rows[count] if count in rows else self._rows(count)
            values = _table(self.module.residuals(self._few(count) | some)[self.term])[rows[count]]
            yield _gradients(values, list(self.params.values()))

    def _few(self, count: int) -> dict[str, Tensor]:
        return {part: x[: count if part in self.parts else 1] for part, x in self.points.items()}

    def _split(self, count: int) -> Iterator[dict[str, Tensor]]:
        split = zip(*(torch.split(self.points[part], count) for part in self.parts), strict=True)
        return (dict(zip(self.parts, some, strict=True)) for some in split)

    def _rows(self, count: int) -> list[int]:
        """Where the rows of this group are when there are few points."""
        rows_from = origins(self.module, self._few(count))[self.term]
        return [row for row, found in enumerate(rows_from) if found == self.parts]


class _Residuals(nn.Module):
    """The residuals as a module's forward pass, whose parameters ``functional_call`` can replace."""

    def __init__(self, module: "PINNModule") -> None:
        super().__init__()
        self.module = module

    def forward(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.module.residuals(points)


def _checked(chunks: Iterable[Gradients], own: Tensor, params: list[Tensor]) -> Tensor | None:
    """The sum of squares, or None where these are not the residual's gradients: rows were not pointwise."""
    weights = torch.cos(torch.arange(own.numel(), device=own.device)).to(own.dtype).view_as(own)
    combined = [torch.zeros_like(p) for p in params]
    total, done, tolerance = own.new_zeros(()), 0, torch.finfo(own.dtype).eps ** 0.5
    try:
        for gradients in chunks:
            some = weights[done : done + len(gradients[0])]
            for combination, gradient in zip(combined, gradients, strict=True):
                combination += torch.tensordot(some, gradient, dims=2)
            total, done = total + _squares(gradients), done + len(some)
    except (RuntimeError, ValueError, IndexError):  # a transform that does not pass; a residual of few points
        return None
    exact = torch.autograd.grad(own, params, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
    difference = _squares([a - b for a, b in zip(combined, exact, strict=True)])
    return total if difference <= tolerance**2 * own.numel() * total else None


def _gradients(values: Tensor, params: list[Tensor]) -> Gradients:
    """Of each value, (c, k), by each parameter: (c, k, *shape)."""
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
