"""A lower bound for the time of our step: its matrix products alone."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.peers.case import Case
from benchmarks.peers.contender import Prepared, forever
from lightning_autobalance.jacobian import backward

FACTORS: Mapping[Any, tuple[int, int]] = {  # where an operation has the two matrices
    torch.ops.aten.mm.default: (0, 1),
    torch.ops.aten.bmm.default: (0, 1),
    torch.ops.aten.addmm.default: (1, 2),
}


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the factors of every matrix product, with their memory layout."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Record the factors, then run the operation."""
        if func in FACTORS:
            first, second = (args[i].detach().clone(memory_format=torch.preserve_format) for i in FACTORS[func])
            self.found.append((first, second))
        return func(*args, **(kwargs or {}))


def products_of(step: Callable[[], Any]) -> list[tuple[Tensor, Tensor]]:
    """The factors of the matrix products of a step, forward and backward."""
    products = Products()
    with products:
        step()
    return products.found


def bare_products(case: Case) -> Prepared:
    """The matrix products of a step in Taylor mode: same shapes, same layout, results into memory that is there."""
    module = case.module(derivatives="taylor")
    pairs = products_of(lambda: backward(module.losses(case.data), module.parameters(), shared=False))
    ready = [(first, second, first @ second) for first, second in pairs]

    def step() -> None:
        for first, second, out in ready:
            torch.matmul(first, second, out=out)

    return Prepared(partial(forever, step), nn.Identity())
