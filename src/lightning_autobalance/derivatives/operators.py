"""What residuals are written with: `partials`, `gradient`, `divergence`, `laplacian`, `derivative_along`."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives.names import Stream, parse
from lightning_autobalance.derivatives.reverse import reverse, reverse_along
from lightning_autobalance.derivatives.taylor import ALONG, taylor, taylor_along, unsupported
from lightning_autobalance.shapes import Fields, Points

Mode = Literal["auto", "taylor", "reverse"]
Net = Callable[[Points], Fields]


def partials(
    net: Net, x: Points, *names: str, coordinates: Sequence[str] | None = None, mode: Mode = "auto"
) -> tuple[Fields, ...]:
    """A field and its partial derivatives, by name, in one pass.

    Args:
        net: (b, d) to (b, k), each row by itself.
        x: Points, (b, d).
        names: "" for the field, "x", "xy", "ttt", ...; "xx+yy" for a sum of derivatives of one order, which costs as
            much as one of them.
        coordinates: Words of letters naming the columns. By default x, y, z are the first three and t is the last.
        mode: Forward Taylor mode, nested reverse mode, or "auto": Taylor mode where the network allows it.

    Returns:
        One (b, k) per name, in their order; differentiable.

    Raises:
        ValueError: If a name cannot be read, or the network mixes the points of a batch.
        TypeError: If ``mode`` is "taylor" and the network does not allow it.
    """
    return _compute(net, x, parse(names, x.shape[1], coordinates), mode)


def gradient(net: Net, x: Points, mode: Mode = "auto") -> Tensor:
    r"""The gradient by the coordinates, :math:`\partial u_l / \partial x_i`.

    Args:
        net: (b, d) to (b, k).
        x: Points, (b, d).
        mode: As in `partials`.

    Returns:
        (b, d) for one field, (b, k, d) for more.
    """
    columns = _compute(net, x, [((i,),) for i in range(x.shape[1])], mode)
    stacked = torch.stack(columns, dim=-1)
    return stacked[:, 0] if stacked.shape[1] == 1 else stacked


def divergence(net: Net, x: Points, mode: Mode = "auto") -> Fields:
    r"""The divergence of a vector field, :math:`\sum_i \partial u_i / \partial x_i`.

    Args:
        net: (b, d) to (b, d).
        x: Points, (b, d).
        mode: As in `partials`.

    Returns:
        (b, 1).

    Raises:
        ValueError: If there are not as many fields as coordinates.
    """
    columns = _compute(net, x, [((i,),) for i in range(x.shape[1])], mode)
    if columns[0].shape[1] != x.shape[1]:
        raise ValueError(f"`net` must give one field per coordinate, {x.shape[1]}, got {columns[0].shape[1]}.")
    return torch.stack([column[:, i] for i, column in enumerate(columns)], dim=1).sum(dim=1, keepdim=True)


def laplacian(net: Net, x: Points, mode: Mode = "auto") -> Fields:
    r"""The Laplacian of each field, :math:`\sum_i \partial^2 u_l / \partial x_i^2`.

    Args:
        net: (b, d) to (b, k).
        x: Points, (b, d).
        mode: As in `partials`.

    Returns:
        (b, k).
    """
    return _compute(net, x, [tuple((i, i) for i in range(x.shape[1]))], mode)[0]


def derivative_along(net: Net, x: Points, direction: Tensor, mode: Mode = "auto") -> Fields:
    r"""The derivative of each field along a direction, :math:`\sum_i n_i \, \partial u_l / \partial x_i`, in one pass.

    Args:
        net: (b, d) to (b, k).
        x: Points, (b, d).
        direction: n at each point, such as a normal, (b, d).
        mode: As in `partials`.

    Returns:
        (b, k).

    Raises:
        ValueError: If the direction has another shape than the points.
    """
    if direction.shape != x.shape:
        raise ValueError(f"`direction` must be of the points' shape, {tuple(x.shape)}, got {tuple(direction.shape)}.")
    if (layers := _passable(net, mode)) is not None:
        return taylor_along(layers, x, direction)
    return reverse_along(net, x, direction, [ALONG])[0]


def supports_taylor(net: object) -> bool:
    """Whether forward Taylor mode can pass a network.

    It can through ``nn.Sequential`` of ``nn.Linear`` and the activations tanh, sigmoid, SiLU, GELU, softplus and ours,
    through modules with a method ``derivatives(z, order)`` (elementwise) or ``taylor(jet)``, without forward hooks.
    A class that overrides ``forward`` needs a ``taylor`` of its own.

    Args:
        net: A network or any callable.
    """
    return unsupported(net) is None


def _compute(net: Net, x: Tensor, wanted: list[Stream], mode: Mode) -> tuple[Fields, ...]:
    if (layers := _passable(net, mode)) is not None:
        return taylor(layers, x, wanted)
    return reverse(net, x, wanted)


def _passable(net: Net, mode: Mode) -> nn.Module | None:
    """The network, where Taylor mode is to pass it."""
    bad: Any = unsupported(net) if mode != "reverse" else net
    if mode == "taylor" and bad is not None:
        raise TypeError(
            f"`mode` must be 'reverse' for this network, got 'taylor': {type(bad).__name__} is no layer that Taylor "
            "mode knows, or has forward hooks. Use mode='reverse' or 'auto'."
        )
    return net if bad is None and isinstance(net, nn.Module) else None
