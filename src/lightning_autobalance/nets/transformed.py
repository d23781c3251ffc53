"""Conditions built into a network."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lightning_autobalance.nets.activations import Parabola
from lightning_autobalance.nets.boxes import check_bounds
from lightning_autobalance.shapes import Fields, Points

Function = Callable[[Tensor], Tensor]


class Transformed(nn.Module):
    r"""A network times a factor, plus an offset, so that conditions hold whatever the network gives.

    .. math:: u(x) = g(x) + f(x) \, \text{net}(x)

    Where f is 0, u is g. Conditions at several places are nested: ``Transformed(Transformed(net, f1), f2, g)``.

    In Taylor mode, factor and offset use their own method ``taylor`` if they have one, else reverse mode, which is
    cheap for a formula.

    Args:
        net: (b, d) to (b, k).
        factor: f, (b, d) to (b, 1) or (b, k): a module or a function; 1 where None.
        offset: g, likewise; 0 where None.

    Raises:
        ValueError: If both factor and offset are missing, or one returns another shape.

    Note:
        A loss term on points where f is 0 teaches the network nothing: leave it out of the residuals.
    """

    def __init__(
        self,
        net: nn.Module,
        factor: nn.Module | Callable[..., Any] | None = None,
        offset: nn.Module | Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        if factor is None and offset is None:
            raise ValueError("`factor` or `offset` must be given, got neither. Without both, use the network itself.")
        self.net = net
        self.factor = factor
        self.offset = offset

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to fields, (b, k)."""
        fields: Tensor = self.net(x)
        if self.factor is not None:
            fields = _columns("factor", self.factor, x) * fields
        if self.offset is not None:
            fields = _columns("offset", self.offset, x) + fields
        return fields

    def taylor_layers(self) -> Iterable[nn.Module]:
        """The modules that must allow Taylor mode."""
        return [self.net]

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        fields = jet.through(self.net)
        if self.factor is not None:
            fields = fields.times(jet.of(self.factor))
        if self.offset is not None:
            fields = fields.plus(jet.of(self.offset))
        return fields


def _columns(name: str, function: Function, x: Points) -> Fields:
    values = function(x)
    # (b,) would be spread over a table of b times b; `len` would fix b in `torch.export`
    if values.ndim != 2 or values.shape[0] != x.shape[0]:
        got = tuple(values.shape)
        raise ValueError(f"`{name}` must give ({len(x)}, 1) or ({len(x)}, k) at {len(x)} points, got {got}.")
    return values


class ZeroOnEdge(nn.Module):
    r"""A factor that is 0 on the faces of a box and 1 in its middle.

    .. math:: f(x) = \prod_i \frac{4 (x_i - l_i) (h_i - x_i)}{(h_i - l_i)^2}

    Args:
        bounds: (low, high) of the first coordinates; the factor does not depend on those after them, such as time.

    Raises:
        ValueError: If there are none or an interval is empty.
    """

    def __init__(self, bounds: list[tuple[float, float]]) -> None:
        super().__init__()
        if not bounds:
            raise ValueError("`bounds` must be one or more pairs, got none.")
        check_bounds(bounds)
        self.parabolas: Iterable[nn.Module] = nn.ModuleList(
            Parabola(low, high, 4 / (high - low) ** 2) for low, high in bounds
        )

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to the factor, (b, 1)."""
        product = torch.ones_like(x[:, :1])
        for i, parabola in enumerate(self.parabolas):
            product = product * parabola(x[:, i : i + 1])
        return product

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        product, *others = [jet.features(i, i + 1).activated(parabola) for i, parabola in enumerate(self.parabolas)]
        for other in others:
            product = product.times(other)
        return product


class ZeroAtStart(nn.Module):
    r"""A factor that grows with time from 0 to 1: :math:`f(x) = (t - t_0) / (t_1 - t_0)`.

    Args:
        start: t_0.
        end: t_1.
        column: Index of time among the coordinates, from the end where it is negative: -1 for a `TimeCylinder`, -2 with
            one parameter after the time.

    Raises:
        ValueError: If the end is not after the start, or there is no such column.
    """

    def __init__(self, start: float = 0.0, end: float = 1.0, column: int = -1) -> None:
        super().__init__()
        if not start < end:
            raise ValueError(f"`end` must be > `start`, {start}, got {end}.")
        self.start = start
        self.duration = end - start
        self.column = column

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to the factor, (b, 1)."""
        i = self.index(x.shape[1])
        return (x[:, i : i + 1] - self.start) / self.duration

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        i = self.index(jet.value.shape[1])
        return jet.features(i, i + 1).rescaled([1 / self.duration], [-self.start / self.duration])

    def index(self, d: int) -> int:
        """Index of time among d coordinates, from the start."""
        if not -d <= self.column < d:
            raise ValueError(f"`column` must be from {-d} to {d - 1} with {d} coordinates, got {self.column}.")
        return self.column % d
