"""Forward Taylor mode: derivatives by coordinates travel through the network beside its value."""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives.activations import derivatives_of
from lightning_autobalance.derivatives.names import Plan, Stream
from lightning_autobalance.derivatives.reverse import reverse, reverse_along
from lightning_autobalance.derivatives.rules import VALUE, elementwise, leibniz
from lightning_autobalance.shapes import Fields, Points

ALONG: Stream = ((0,),)  # of a jet along lines


class Jet:
    r"""A value at b points and its derivatives by the coordinates, one stream each.

    A linear layer acts on every stream alike, its bias on the value only. An elementwise function acts by the chain
    rule, a product of two jets by Leibniz' rule, see `rules`. The top term of both is linear, hence a sum of
    derivatives of one order can travel as one stream.

    A network that is not a chain of such layers takes part by a method ``taylor(self, jet) -> Jet``, defined in the
    class that has its ``forward`` or below. A method ``taylor_layers()`` names the modules in it that the jet passes,
    where these are not all of its children.

    Args:
        plan: The streams that the network needs.
        streams: Each (b, w), or (1, w) where all points have the same; streams that are zero are left out.
        is_input: Whether these are the coordinates themselves.
        direction: Where the jet is along lines through the points, their direction, (b, d); its only coordinate, 0, is
            then the way along them.

    Attributes:
        drop_firsts: Tells a method ``taylor`` that nobody asks for the first derivatives of its result.
    """

    def __init__(
        self,
        plan: Plan,
        streams: dict[Stream, Tensor],
        *,
        is_input: bool = False,
        direction: Tensor | None = None,
    ) -> None:
        self.plan = plan
        self.streams = streams
        self.is_input = is_input
        self.direction = direction
        self.drop_firsts = False

    @property
    def value(self) -> Tensor:
        """(b, w)."""
        return self.streams[VALUE]

    @classmethod
    def of_points(cls, plan: Plan, x: Points) -> "Jet":
        """The coordinates: unit vectors as first derivatives, zero above.

        Args:
            plan: The streams that the network needs.
            x: Points, (b, d).
        """
        units = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        firsts = {s: reduce(add, [units[i : i + 1] for (i,) in s]) for s in plan.firsts}
        return cls(plan, {VALUE: x, **firsts}, is_input=True)

    @classmethod
    def along(cls, x: Points, direction: Points) -> "Jet":
        """The coordinates and their derivative along one direction at each point.

        Args:
            x: Points, (b, d).
            direction: (b, d).
        """
        return cls(Plan.of([ALONG]), {VALUE: x, ALONG: direction}, is_input=True, direction=direction)

    def of(self, function: Callable[[Points], Fields]) -> "Jet":
        """A function of the coordinates with its derivatives: in Taylor mode where it allows it, else in reverse mode.

        Args:
            function: (b, d) to (b, k), each row by itself.

        Raises:
            TypeError: If it needs reverse mode and this jet is not the coordinates themselves.
        """
        if isinstance(function, nn.Module) and unsupported(function) is None:
            return self.through(function)
        if not self.is_input:
            raise TypeError(
                "`function` must have a method `taylor` where another layer stands before it, got "
                f"{getattr(function, '__name__', type(function).__name__)}. Give it one, or use mode='reverse'."
            )
        if self.direction is None:
            found = reverse(function, self.value, self.plan.streams)
        else:
            found = reverse_along(function, self.value, self.direction, self.plan.streams)
        return Jet(self.plan, dict(zip(self.plan.streams, found, strict=True)))

    def through(self, module: nn.Module, *, drop_firsts: bool = False) -> "Jet":
        """The jet of a network's output, from that of its input.

        Args:
            module: Of layers that `supports_taylor` accepts.
            drop_firsts: As in `activated`; the module may keep them.
        """
        own = getattr(module, "taylor", None)
        if callable(own):
            given = Jet(self.plan, self.streams, is_input=self.is_input, direction=self.direction)
            given.drop_firsts = drop_firsts
            jet: Jet = own(given)
            return jet
        if isinstance(module, nn.Sequential):
            return self._chain([layer for layer in module if not isinstance(layer, nn.Identity)], drop_firsts)
        return self._chain([module] if not isinstance(module, nn.Identity) else [], drop_firsts)

    def _chain(self, layers: Sequence[nn.Module], drop_firsts: bool) -> "Jet":
        jet = self
        for i, layer in enumerate(layers):
            drop = drop_firsts and all(isinstance(rest, nn.Linear) for rest in layers[i + 1 :])
            if isinstance(layer, nn.Linear):
                jet = jet.linear(layer.weight, layer.bias)
            elif derivatives_of(layer):
                jet = jet.activated(layer, drop_firsts=drop)
            else:
                jet = jet.through(layer, drop_firsts=drop)
        return jet

    def linear(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        activation: nn.Module | None = None,
        *,
        drop_firsts: bool = False,
    ) -> "Jet":
        """A linear layer, and an activation after it.

        Args:
            weight: (w_out, w).
            bias: (w_out,), or None.
            activation: Elementwise, with known derivatives, or None.
            drop_firsts: As in `activated`; without an activation they stay.
        """
        streams = {VALUE: nn.functional.linear(self.value, weight, bias)}
        streams |= {s: nn.functional.linear(h, weight) for s, h in self.streams.items() if s != VALUE}
        jet = Jet(self.plan, streams)
        return jet if activation is None else jet.activated(activation, drop_firsts=drop_firsts)

    def activated(self, activation: nn.Module, *, drop_firsts: bool = False) -> "Jet":
        """An elementwise function.

        Args:
            activation: With known derivatives.
            drop_firsts: Leave out first derivatives, where only linear layers follow and nobody asks for them.

        Raises:
            TypeError: If the derivatives of the activation are not known.
            ValueError: If this jet lacks its first derivatives.
        """
        if (f := derivatives_of(activation)) is None:
            raise TypeError(f"`activation` must be one of known derivatives, got {type(activation).__name__}.")
        self._check_complete()
        plan = self.plan.without_firsts() if drop_firsts else self.plan
        return Jet(plan, elementwise(plan, self.streams, f))

    def rescaled(self, scales: Sequence[float], shifts: Sequence[float]) -> "Jet":
        """Each feature times its scale, plus its shift.

        Args:
            scales: One per feature.
            shifts: One per feature.
        """
        zeros = [0.0] * len(shifts)
        return self._each(lambda s, h: _rescaled(h, scales, shifts if s == VALUE else zeros))

    def features(self, start: int, stop: int) -> "Jet":
        """The features from ``start`` to before ``stop``."""
        return self._each(lambda _, h: h[:, start:stop])

    def _each(self, function: Callable[[Stream, Tensor], Tensor]) -> "Jet":
        return Jet(self.plan, {s: function(s, h) for s, h in self.streams.items()})

    def plus(self, other: "Jet") -> "Jet":
        """The sum with a jet at the same points, as wide as this one or with one feature for all."""
        return Jet(self.plan, {s: self.of_stream(s) + other.of_stream(s) for s in self.streams | other.streams})

    def minus(self, other: "Jet") -> "Jet":
        """The difference from a jet at the same points, as wide as this one or with one feature for all."""
        return self.plus(other._each(lambda _, h: -h))

    def times(self, other: "Jet") -> "Jet":
        """The elementwise product with a jet at the same points, as wide as this one or with one feature for all.

        Raises:
            ValueError: If one of them lacks its first derivatives.
        """
        self._check_complete()
        other._check_complete()
        return Jet(self.plan, leibniz(self.plan, self.streams, other.streams))

    def joined(self, jets: Sequence["Jet"]) -> "Jet":
        """Jets at the same points, side by side along the features."""
        plan = jets[0].plan
        there = [s for s in plan.streams if any(s in jet.streams for jet in jets)]
        rows = {s: max(len(jet.of_stream(s)) for jet in jets) for s in there}
        return Jet(plan, {s: torch.cat([j.of_stream(s).expand(rows[s], -1) for j in jets], dim=1) for s in there})

    def of_stream(self, stream: Stream) -> Tensor:
        """One of the streams of the plan, (b, w), or (1, w) where all points have the same.

        Raises:
            KeyError: If the plan does not have it.
        """
        if stream not in self.plan.streams:
            raise KeyError(stream)
        found = self.streams.get(stream)
        return found if found is not None else self.value.new_zeros((1, self.value.shape[1]))

    def _check_complete(self) -> None:
        if not self.plan.complete:
            raise ValueError(
                "`drop_firsts` must be False where an activation or a product follows, got True: both need the first "
                "derivatives."
            )


def taylor(net: nn.Module, x: Points, wanted: Sequence[Stream]) -> tuple[Fields, ...]:
    """Derivatives of a network's fields in one forward pass.

    Args:
        net: Of layers that `supports_taylor` accepts.
        x: Points, (b, d).
        wanted: The streams to return.

    Returns:
        One (b, k) per stream.
    """
    jet = Jet.of_points(Plan.of(wanted), x).through(net, drop_firsts=all(len(s[0]) != 1 for s in wanted))
    return tuple(jet.of_stream(s).expand_as(jet.value) for s in wanted)


def taylor_along(net: nn.Module, x: Points, direction: Points) -> Fields:
    """The derivative of a network's fields along a direction at each point, in one forward pass.

    Args:
        net: Of layers that `supports_taylor` accepts.
        x: Points, (b, d).
        direction: (b, d).

    Returns:
        (b, k).
    """
    jet = Jet.along(x, direction).through(net)
    return jet.of_stream(ALONG).expand_as(jet.value)


def _rescaled(x: Tensor, scales: Sequence[float], shifts: Sequence[float]) -> Tensor:
    maps = zip(x.unbind(1), scales, shifts, strict=True)  # one by one, since a tensor of them would round them
    return torch.stack([column * scale + shift for column, scale, shift in maps], dim=1)


def unsupported(net: object) -> object | None:
    """The first layer that Taylor mode cannot pass, or None."""
    if not isinstance(net, nn.Module) or net._forward_hooks or net._forward_pre_hooks:
        return net
    if type(net).forward in (nn.Linear.forward, nn.Identity.forward) or derivatives_of(net):
        return None
    if not _has_taylor(type(net)) and type(net).forward is not nn.Sequential.forward:
        return net
    named: Callable[[], Iterable[nn.Module]] = getattr(net, "taylor_layers", net.children)
    return next((bad for layer in named() if (bad := _inside(layer)) is not None), None)


def _has_taylor(kind: type) -> bool:
    """Whether a class has a `taylor` that belongs to its `forward`, not one inherited beside a `forward` of its own."""
    first = next((c for c in kind.__mro__ if vars(c).keys() & {"taylor", "forward"}), object)
    return "taylor" in vars(first)


def _inside(layer: nn.Module) -> object | None:
    if isinstance(layer, nn.ModuleList):
        return next((bad for child in layer if (bad := unsupported(child)) is not None), None)
    return unsupported(layer)
