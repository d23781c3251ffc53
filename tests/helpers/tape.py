"""A stand-in for CUDA graphs on a CPU: repeats a function's operations on the same memory, without its Python."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

WAITS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal")  # need the device's numbers


def _tensors(tree: Any) -> list[Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, Tensor)]


def _here(x: Any) -> Any:
    """The same memory, whatever becomes of the shape of the tensor that is given."""
    return x.detach() if isinstance(x, Tensor) else x


def _storage(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


class Tape(TorchDispatchMode):
    """Notes every operation with the very tensors it read and wrote; numbers of Python's stay what they were."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.name() in WAITS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func.name()}")
        read = tree_map(_here, (args, kwargs))
        out = func(*args, **kwargs)
        given = {_storage(x) for x in _tensors(read)}
        made = [_here(x) for x in _tensors(out) if _storage(x) not in given]
        if made or func._schema.is_mutable:  # else a view, which needs no work
            self.operations.append((func, *read, made))
        return out

    def capture(self, function: Callable[[], None]) -> None:
        with self:
            function()

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, made in self.operations:
            out = func(*args, **kwargs)
            for old, new in zip(made, _tensors(out) if made else [], strict=True):
                old.copy_(new)
