"""The rules of higher derivatives, stream by stream: any order, slow and obvious."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lightning_autobalance.derivatives.activations import Derivatives
from lightning_autobalance.derivatives.names import Plan, Stream, partitions, splits

Streams = Mapping[Stream, Tensor]
VALUE: Stream = ((),)


def elementwise(plan: Plan, stack: Tensor, f: Derivatives) -> Tensor:
    """The chain rule of an elementwise function.

    Args:
        plan: Which streams there are.
        stack: Their values, (s, b, w).
        f: Derivatives of the function.
    """
    h = _streams(plan, stack)
    slopes = f(h[VALUE], plan.order)

    def stream(s: Stream) -> Tensor:
        total = slopes[1] * h[s]
        for index in s:
            for blocks in partitions(index):
                if len(blocks) > 1:
                    product = slopes[len(blocks)]
                    for block in blocks:
                        product = product * h[(block,)]
                    total = total + product
        return total

    return _stacked(plan, slopes[0], stream)


def leibniz(plan: Plan, left: Tensor, right: Tensor) -> Tensor:
    r"""The product rule of higher order, a sum over all ways to split a derivative's indices between two factors.

    .. math:: \partial_\alpha (g h) = \sum_{\beta \subseteq \alpha} \partial_\beta g \,
        \partial_{\alpha \setminus \beta} h

    Where one factor takes all indices, the rule is linear, so that a sum of derivatives serves as it stands; the other
    splits need single derivatives of lower order, which a plan always holds.

    Args:
        plan: Which streams there are.
        left: Values of the first factor, (s, b, w).
        right: Those of the second, (s, b, w); either may have one feature for all.
    """
    g, h = _streams(plan, left), _streams(plan, right)

    def stream(s: Stream) -> Tensor:
        total = g[s] * h[VALUE] + g[VALUE] * h[s]
        for (one, other), count in splits(s).items():
            product = g[(one,)] * h[(other,)]
            total = total + (product if count == 1 else count * product)
        return total

    return _stacked(plan, g[VALUE] * h[VALUE], stream)


def _streams(plan: Plan, stack: Tensor) -> Streams:
    return dict(zip(plan.streams, stack.unbind(0), strict=True))


def _stacked(plan: Plan, value: Tensor, stream: Callable[[Stream], Tensor]) -> Tensor:
    return torch.stack([value, *(stream(s) for s in plan.streams[1:])])
