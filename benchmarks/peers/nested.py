"""Contenders with nested autograd: no library, ConFIG's operator, TorchJD."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.optim import Adam, AdamW

from benchmarks.peers.case import Case
from benchmarks.peers.contender import Prepared, forever


def two_adamws(case: Case) -> Prepared:
    """One of torch's AdamWs per loss term, on that term's gradient."""
    net = case.net()
    params = list(net.parameters())
    optimizers = [AdamW(params) for _ in case.residuals]

    def step() -> None:
        losses = case.losses(net, case.data).values()
        rows = [torch.autograd.grad(loss, params, allow_unused=True) for loss in losses]
        for optimizer, row in zip(optimizers, rows, strict=True):
            for p, gradient in zip(params, row, strict=True):
                p.grad = gradient
            optimizer.step()

    return _prepared(case, net, step)


def config(case: Case) -> Prepared:
    """ConFIG's operator as its README shows it, with Adam."""
    from conflictfree.grad_operator import ConFIG_update  # type: ignore[import-untyped]
    from conflictfree.utils import apply_gradient_vector, get_gradient_vector  # type: ignore[import-untyped]

    net = case.net()
    optimizer = Adam(net.parameters())

    def step() -> None:
        rows = []
        for residual in case.residuals.values():
            optimizer.zero_grad()
            residual(net, case.data).square().mean().backward()  # type: ignore[no-untyped-call]
            rows.append(get_gradient_vector(net, none_grad_mode="zero"))
        apply_gradient_vector(net, ConFIG_update(rows), none_grad_mode="zero")
        optimizer.step()

    return _prepared(case, net, step)


def torchjd(case: Case) -> Prepared:
    """TorchJD's `backward` and UPGrad, with Adam."""
    from torchjd.aggregation import UPGrad
    from torchjd.autojac import backward, jac_to_grad

    net = case.net()
    params = list(net.parameters())
    optimizer, aggregator = Adam(params), UPGrad()

    def step() -> None:
        backward(list(case.losses(net, case.data).values()), inputs=params)
        jac_to_grad(params, aggregator)
        optimizer.step()
        optimizer.zero_grad()

    return _prepared(case, net, step)


def _prepared(case: Case, net: nn.Module, step: Callable[[], None]) -> Prepared:
    return Prepared(partial(forever, step), net, lambda: case.losses(net, case.data))
