"""Bias and activation on all streams of a jet in few passes over memory; up to second derivatives."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lightning_autobalance.derivatives.activations import Derivatives

_PLAIN: ContextVar[bool] = ContextVar("plain_operations", default=False)


@contextmanager
def plain_operations() -> Iterator[None]:
    """While open, in this thread or task only, Taylor mode uses torch's own operations: slower, but transforms pass.

    ``torch.func`` and batched backward passes cannot look into the fused functions.
    """
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def _is_plain() -> bool:
    return torch.compiler.is_compiling() or _PLAIN.get()  # the compiler fuses torch's own operations better


class Layout(NamedTuple):
    """How the streams of a jet lie: the value, then first derivatives, then sums of second ones.

    Args:
        f: The activation and its derivatives.
        is_tanh: Its slopes then follow from its value.
        firsts: Number of first derivatives.
        pairs: For each sum of second derivatives, the pairs of first ones that its chain rule multiplies.
        drop_firsts: Give back the value and the second derivatives only.
    """

    f: Derivatives
    is_tanh: bool
    firsts: int
    pairs: Sequence[Sequence[tuple[int, int]]]
    drop_firsts: bool


def activate(product: Tensor, bias: Tensor, layout: Layout) -> Tensor:
    r"""Add the bias to the value, then apply the activation to every stream.

    .. math:: h \to f, \quad J_i \to f' J_i, \quad S_q \to f' S_q + f'' \sum_{(i, j) \in q} J_i J_j

    Equal to `activate_reference`, in fewer passes. Its gradient can be differentiated again, as gPINN needs.

    Args:
        product: The linear layer without its bias, (s, b, w).
        bias: (w,).
        layout: What the streams are.

    Returns:
        (s, b, w), or without the first derivatives.
    """
    if _is_plain():
        return activate_reference([product[0] + bias, *product[1:]], layout)
    out: Tensor = _Activate.apply(product, bias, layout)  # type: ignore[no-untyped-call]
    return out


def activate_first(value: Tensor, columns: Tensor, layout: Layout) -> Tensor:
    """The same after the first layer, whose derivatives are columns of its weights at every point.

    Args:
        value: The linear layer with its bias, (b, w).
        columns: The first derivatives, (d, w).
        layout: What the streams are; second derivatives are zero before the activation.

    Returns:
        (s, b, w), or without the first derivatives.
    """
    if _is_plain():
        return activate_reference(_after_first(value, columns, layout), layout)
    out: Tensor = _ActivateFirst.apply(value, columns, layout)  # type: ignore[no-untyped-call]
    return out


def activate_reference(streams: Sequence[Tensor], layout: Layout) -> Tensor:
    """The slow, obvious form of both.

    Args:
        streams: Each (b, w), the value with its bias.
        layout: What the streams are.

    Returns:
        (s, b, w), or without the first derivatives.
    """
    value, slope, curvature = layout.f(streams[0], 2)
    firsts, seconds = streams[1 : 1 + layout.firsts], streams[1 + layout.firsts :]
    kept = [] if layout.drop_firsts else [slope * first for first in firsts]
    sums = [
        slope * second + curvature * sum((firsts[i] * firsts[j] for i, j in pairs), start=torch.zeros_like(slope))
        for second, pairs in zip(seconds, layout.pairs, strict=True)
    ]
    return torch.stack([value, *kept, *sums])


def _after_first(value: Tensor, columns: Tensor, layout: Layout) -> list[Tensor]:
    zeros = [torch.zeros_like(value)] * len(layout.pairs)
    return [value, *(column.expand_as(value) for column in columns), *zeros]


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, bias: Tensor, layout: Layout) -> Tensor:
        d, k = layout.firsts, _kept(layout)
        out = y.new_empty((1 + k + len(layout.pairs), *y.shape[1:]))
        slope, curvature = _value_into(out[0], torch.add(y[0], bias, out=out[0]), layout)
        if k:
            torch.mul(y[1 : 1 + k], slope, out=out[1 : 1 + k])
        for q, pairs in enumerate(layout.pairs):
            torch.mul(y[1 + d + q], slope, out=out[1 + k + q]).addcmul_(curvature, _quadratic(y[1:], pairs))
        ctx.save_for_backward(y, bias, out)
        ctx.layout = layout
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        y, bias, out = ctx.saved_tensors
        layout: Layout = ctx.layout
        if torch.is_grad_enabled():
            value, *streams = y.unbind(0)
            pulled = _pulled_back(grads[0], value + bias, streams, layout)
            return torch.stack(pulled), pulled[0].sum_to_size(bias.shape), None
        (g,), d, k = grads, layout.firsts, _kept(layout)
        slope, curvature, third = _slopes(out[0], y[0], bias, layout)
        gy = torch.empty_like(y)
        torch.mul(g[: 1 + k], slope, out=gy[: 1 + k])
        if not k:
            gy[1 : 1 + d] = 0
        elif d:
            gy[0].addcmul_(curvature, (g[1 : 1 + d] * y[1 : 1 + d]).sum(dim=0))
        for q, pairs in enumerate(layout.pairs):
            g_q, weight = g[1 + k + q], curvature * g[1 + k + q]
            torch.mul(g_q, slope, out=gy[1 + d + q])
            gy[0].addcmul_(weight, y[1 + d + q]).addcmul_(third * g_q, _quadratic(y[1:], pairs))
            for i, j in pairs:
                gy[1 + i].addcmul_(weight, y[1 + j], value=2 if i == j else 1)
                if i != j:
                    gy[1 + j].addcmul_(weight, y[1 + i])
        return gy, gy[0].sum_to_size(bias.shape), None


class _ActivateFirst(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, columns: Tensor, layout: Layout) -> Tensor:
        k = _kept(layout)
        out = value.new_empty((1 + k + len(layout.pairs), *value.shape))
        slope, curvature = _value_into(out[0], out[0].copy_(value), layout)
        for i in range(k):
            torch.mul(slope, columns[i], out=out[1 + i])
        for q, pairs in enumerate(layout.pairs):
            torch.mul(curvature, _quadratic(columns, pairs), out=out[1 + k + q])
        ctx.save_for_backward(value, columns, out)
        ctx.layout = layout
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        value, columns, out = ctx.saved_tensors
        layout: Layout = ctx.layout
        if torch.is_grad_enabled():
            gz, *streams = _pulled_back(grads[0], value, _after_first(value, columns, layout)[1:], layout)
            firsts = [stream.sum_to_size(columns.shape[1:]) for stream in streams[: layout.firsts]]
            return gz, torch.stack(firsts) if firsts else torch.zeros_like(columns), None
        (g,), k = grads, _kept(layout)
        slope, curvature, third = _slopes(out[0], value, None, layout)
        g_value, g_columns = g[0] * slope, torch.zeros_like(columns)
        for i in range(k):
            g_value.addcmul_(curvature * columns[i], g[1 + i])
            g_columns[i] = (slope * g[1 + i]).sum_to_size(columns.shape[1:])
        for q, pairs in enumerate(layout.pairs):
            g_q = g[1 + k + q]
            g_value.addcmul_(third * _quadratic(columns, pairs), g_q)
            weight = (curvature * g_q).sum_to_size(columns.shape[1:])
            for i, j in pairs:
                g_columns[i].addcmul_(weight, columns[j])
                g_columns[j].addcmul_(weight, columns[i])
        return g_value, g_columns, None


def _pulled_back(grad: Tensor, z: Tensor, y: Sequence[Tensor], layout: Layout) -> tuple[Tensor, ...]:
    """The gradients by z, by the first derivatives and by the second ones, by operations that have gradients.

    Args:
        grad: By what came out, (s', b, w).
        z: The value with its bias, (b, w).
        y: The derivatives of z, first ones before second ones, each (b, w).
        layout: What the streams are.

    Returns:
        One (b, w) per stream that came in.
    """
    d, k, g = layout.firsts, _kept(layout), grad.unbind(0)  # unbound, since the gradient of an index fills zeros
    _, slope, curvature, third = _differentiable_slopes(z, layout)
    gz = g[0] * slope
    firsts = [g[1 + i] * slope for i in range(k)] or [torch.zeros_like(z)] * d
    bent = [curvature * g[1 + k + q] for q in range(len(layout.pairs))]
    for i in range(k):
        gz = gz + curvature * g[1 + i] * y[i]
    for q, pairs in enumerate(layout.pairs):
        gz = torch.addcmul(gz, bent[q], y[d + q])
        quadratic = y[pairs[0][0]] * y[pairs[0][1]]
        for i, j in pairs[1:]:
            quadratic = torch.addcmul(quadratic, y[i], y[j])
        gz = torch.addcmul(gz, third * g[1 + k + q], quadratic)
        for i, j in pairs:
            firsts[i] = torch.addcmul(firsts[i], bent[q], y[j], value=2 if i == j else 1)
            if i != j:
                firsts[j] = torch.addcmul(firsts[j], bent[q], y[i])
    return gz, *firsts, *(g[1 + k + q] * slope for q in range(len(layout.pairs)))


def _differentiable_slopes(z: Tensor, layout: Layout) -> list[Tensor]:
    if not layout.is_tanh:
        return layout.f(z, 3)
    t = torch.tanh(z)
    slope = 1 - t * t
    return [t, slope, -2 * t * slope, (4 - 6 * slope) * slope]


def _kept(layout: Layout) -> int:
    return 0 if layout.drop_firsts else layout.firsts


def _value_into(out: Tensor, z: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """f(z) into ``out``, which may be ``z``; its first two derivatives."""
    if layout.is_tanh:
        t = torch.tanh(z, out=out)
        slope = torch.addcmul(torch.ones_like(t), t, t, value=-1)
        return slope, (t * slope).mul_(-2)
    value, slope, curvature = layout.f(z.clone(), 2)
    out.copy_(value)
    return slope, curvature


def _slopes(value: Tensor, z: Tensor, bias: Tensor | None, layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    if layout.is_tanh:
        slope = torch.addcmul(torch.ones_like(value), value, value, value=-1)
        return slope, (value * slope).mul_(-2), (slope * -6).add_(4).mul_(slope)
    _, slope, curvature, third = layout.f(z if bias is None else z + bias, 3)
    return slope, curvature, third


def _quadratic(firsts: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    (i, j), *rest = pairs
    total = firsts[i] * firsts[j]
    for i, j in rest:
        total.addcmul_(firsts[i], firsts[j])
    return total
