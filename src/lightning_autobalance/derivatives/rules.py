"""The chain rule and the product rule of higher derivatives, stream by stream, to any order."""

from collections.abc import Mapping
from functools import reduce
from operator import add, mul

import torch
from torch import Tensor

from lightning_autobalance.derivatives.activations import Derivatives
from lightning_autobalance.derivatives.names import Plan, Stream, chain_rule, splits

Streams = Mapping[Stream, Tensor]
"""A value, (b, w), and its derivatives by stream, each (b, w), or (1, w) where all points have the same; a derivative
that is zero at all points is left out."""
VALUE: Stream = ((),)


def elementwise(plan: Plan, h: Streams, f: Derivatives) -> dict[Stream, Tensor]:
    r"""The chain rule of an elementwise function (Faa di Bruno).

    .. math:: \partial_\alpha f(h) = f'(h) \, \partial_\alpha h
        + \sum_{k \geq 2} f^{(k)}(h) \sum_{\pi \vdash \alpha, |\pi| = k} \prod_{B \in \pi} \partial_B h

    Args:
        plan: The streams to compute; those of lower order that they need are in ``h``.
        h: The argument.
        f: ``(z, order) -> [f(z), f'(z), ...]``.
    """
    value, *slopes = f(h[VALUE], plan.order)
    found = {VALUE: value}
    for s in plan.streams[1:]:
        total = slopes[0] * h[s] if s in h else None
        for order, products in chain_rule(s).items():
            terms = [_product(h, blocks, count) for blocks, count in products.items() if all((b,) in h for b in blocks)]
            if terms:
                slope, inner = slopes[order - 1], reduce(add, terms)
                total = slope * inner if total is None else torch.addcmul(total, slope, inner)
        if total is not None:
            found[s] = total
    return found


def leibniz(plan: Plan, g: Streams, h: Streams) -> dict[Stream, Tensor]:
    r"""The product rule of higher order, a sum over all ways to split a derivative's indices between two factors.

    .. math:: \partial_\alpha (g h) = \sum_{\beta \subseteq \alpha} \partial_\beta g \,
        \partial_{\alpha \setminus \beta} h

    Where one factor takes all indices, the rule is linear, so that a sum of derivatives serves as it stands; the other
    splits need single derivatives of lower order, which a plan always holds.

    Args:
        plan: The streams to compute.
        g: The first factor.
        h: The second factor; either may have one feature for all.
    """
    found = {VALUE: g[VALUE] * h[VALUE]}
    for s in plan.streams[1:]:
        terms = [a[s] * b[VALUE] for a, b in ((g, h), (h, g)) if s in a]
        for (left, right), count in splits(s).items():
            if (left,) in g and (right,) in h:
                product = g[(left,)] * h[(right,)]
                terms.append(product if count == 1 else count * product)
        if terms:
            found[s] = reduce(add, terms)
    return found


def _product(h: Streams, blocks: tuple[tuple[int, ...], ...], count: int) -> Tensor:
    product = reduce(mul, [h[(block,)] for block in blocks])
    return product if count == 1 else count * product
