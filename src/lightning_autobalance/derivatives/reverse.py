"""Nested reverse mode: derivatives of any callable that maps each point by itself."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives.names import Index, Stream
from lightning_autobalance.shapes import Fields, Points


def reverse(net: Callable[[Points], Fields], x: Points, wanted: Sequence[Stream]) -> tuple[Fields, ...]:
    """Derivatives of a callable's fields, by one reverse pass per field and derivative.

    Works with gradients disabled and in inference mode too.

    Args:
        net: (b, d) to (b, k), each row by itself.
        x: Points, (b, d).
        wanted: The streams to return.

    Returns:
        One (b, k) per stream.

    Raises:
        ValueError: If the network mixes the points of a batch, has a layer that torch differentiates wrongly, or does
            not return (b, k).
    """
    _refuse_wrong_layers(net, order=max(len(index) for stream in wanted for index in stream))
    recording = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        x = _recordable(x)
        x = x if x.requires_grad else x.detach().requires_grad_()
        known: dict[Index, Tensor] = {(): _table(net, x)}
        results = tuple(_sum([_derivative(index, known, x) for index in stream]) for stream in wanted)
    return results if recording else tuple(result.detach() for result in results)


def reverse_along(
    net: Callable[[Points], Fields], x: Points, direction: Points, wanted: Sequence[Stream]
) -> tuple[Fields, ...]:
    """As `reverse`, but by s on the lines ``x + s direction``, at s = 0.

    Args:
        net: (b, d) to (b, k), each row by itself.
        x: Points, (b, d).
        direction: At each point, (b, d).
        wanted: The streams to return; their only coordinate, 0, is s.

    Returns:
        One (b, k) per stream.
    """
    _refuse_wrong_layers(net, order=max(len(index) for stream in wanted for index in stream))
    recording = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        x, direction = _recordable(x), _recordable(direction)
        results = reverse(lambda s: net(x + s * direction), torch.zeros_like(x[:, :1]), wanted)
    return results if recording else tuple(result.detach() for result in results)


def _recordable(x: Tensor) -> Tensor:
    return x if torch.compiler.is_compiling() or not x.is_inference() else x.clone()


def _table(net: Callable[[Points], Fields], x: Points) -> Tensor:
    fields = net(x)
    if fields.ndim != 2 or len(fields) != len(x):
        name = getattr(net, "__name__", type(net).__name__)
        raise ValueError(f"`{name}` must give ({len(x)}, k) at {len(x)} points, got {tuple(fields.shape)}.")
    return fields


def _refuse_wrong_layers(net: object, order: int) -> None:
    for layer in net.modules() if isinstance(net, nn.Module) else ():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training:
            raise ValueError(
                f"`net` must map each point by itself, got a {type(layer).__name__} in training mode, which mixes "
                "the points of a batch: its derivatives would be wrong. Use RMSNorm or none."
            )
        if isinstance(layer, nn.LayerNorm) and order >= 2:  # torch 2.13: its third derivative is wrong
            raise ValueError(
                "`net` must have no LayerNorm where second derivatives are asked for, got one: torch differentiates it "
                "wrongly from the third derivative on, which the parameters' gradient is. Use RMSNorm or none."
            )


def _derivative(index: Index, known: dict[Index, Tensor], x: Tensor) -> Tensor:
    if index not in known:
        by_all = _all_first(_derivative(index[:-1], known, x), x)
        for i in range(x.shape[1]):
            known.setdefault(tuple(sorted((*index[:-1], i))), by_all[:, :, i])
    return known[index]


def _all_first(fields: Tensor, x: Tensor) -> Tensor:
    """(b, k) to (b, k, d)."""
    return torch.stack([_gradient(column, x) for column in fields.unbind(dim=1)], dim=1)


def _gradient(column: Tensor, x: Tensor) -> Tensor:
    if not column.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(column.sum(), x, create_graph=True, allow_unused=True)
    return gradient if gradient is not None else torch.zeros_like(x)


def _sum(terms: list[Tensor]) -> Tensor:
    return terms[0] if len(terms) == 1 else torch.stack(terms).sum(dim=0)
