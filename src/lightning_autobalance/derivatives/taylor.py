"""Forward Taylor mode: derivatives by coordinates travel through the network beside its value."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives.activations import Derivatives, derivatives_of
from lightning_autobalance.derivatives.fused import Layout, activate, activate_first
from lightning_autobalance.derivatives.names import Plan, Stream
from lightning_autobalance.derivatives.reverse import reverse
from lightning_autobalance.derivatives.rules import elementwise, leibniz
from lightning_autobalance.shapes import Fields, Points


class Jet:
    r"""A value and its derivatives by the coordinates, (s, b, w): s streams of b points and w features.

    A linear layer acts on every stream alike, the bias on the value only. An elementwise f acts by the chain rule of
    higher order (Faa di Bruno), a sum over all partitions of a derivative's indices into blocks:

    .. math:: \partial_\alpha f(h) = \sum_{\pi \vdash \alpha} f^{(|\pi|)}(h) \prod_{B \in \pi} \partial_B h

    Its top term is linear, hence a sum of derivatives of one order can travel as one stream.

    A network that is not a chain of such layers joins in by a method ``taylor(self, jet) -> Jet``, in the class that
    has its ``forward`` or below. A method ``taylor_layers()`` names the modules in it that the jet passes, where these
    are not all of its children.

    Args:
        plan: Which streams there are.
        stack: Their values, (s, b, w).
        columns: The first derivatives, (d, w), where they are the same at all points and higher ones are zero.
        is_input: Whether these are the coordinates themselves.

    Attributes:
        drop_firsts: In a method ``taylor``: whether what it gives back is not asked for first derivatives.
    """

    def __init__(self, plan: Plan, stack: Tensor, *, columns: Tensor | None = None, is_input: bool = False) -> None:
        self.plan = plan
        self.stack = stack
        self.columns = columns
        self.is_input = is_input
        self.drop_firsts = False

    @classmethod
    def of_points(cls, plan: Plan, x: Points) -> "Jet":
        """The coordinates: themselves, with unit vectors as first derivatives and nothing above.

        Args:
            plan: Which streams there will be.
            x: Points, (b, d).
        """
        units = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        rows = [sum((units[i] for (i,) in s[1:]), start=units[s[0][0]]) for s in plan.firsts]
        columns = torch.stack(rows) if rows else units[:0]
        higher = len(plan.streams) - 1 - len(columns)
        stack = torch.stack([x, *(c.expand_as(x) for c in columns), *[torch.zeros_like(x)] * higher])
        return cls(plan, stack, columns=columns, is_input=True)

    def of(self, function: Callable[[Points], Fields]) -> "Jet":
        """What a function of the coordinates is there, with its derivatives: in Taylor mode, else in reverse mode.

        Args:
            function: (b, d) to (b, k), each row by itself.

        Raises:
            TypeError: If it needs reverse mode and this jet is not that of the coordinates.
        """
        if isinstance(function, nn.Module) and unsupported(function) is None:
            return self.through(function)
        if not self.is_input:
            raise TypeError(
                "`function` must have a method `taylor` where another layer stands before it, got "
                f"{getattr(function, '__name__', type(function).__name__)}. Give it one, or use mode='reverse'."
            )
        return Jet(self.plan, torch.stack(reverse(function, self.stack[0], self.plan.streams)))

    def through(self, module: nn.Module, *, drop_firsts: bool = False) -> "Jet":
        """What a network makes of the jet.

        Args:
            module: Of layers that `supports_taylor` accepts.
            drop_firsts: As in `linear`; the module may leave them in.
        """
        own = getattr(module, "taylor", None)
        if callable(own):
            given = Jet(self.plan, self.stack, columns=self.columns, is_input=self.is_input)
            given.drop_firsts = drop_firsts
            jet: Jet = own(given)
            return jet
        if isinstance(module, nn.Sequential):
            return self._chain([layer for layer in module if not isinstance(layer, nn.Identity)], drop_firsts)
        return self._chain([module] if not isinstance(module, nn.Identity) else [], drop_firsts)

    def _chain(self, layers: Sequence[nn.Module], drop_firsts: bool) -> "Jet":
        jet, waiting = self, list(layers)
        while waiting:
            layer = waiting.pop(0)
            fused = isinstance(layer, nn.Linear) and waiting and derivatives_of(waiting[0])
            activation = waiting.pop(0) if fused else None
            drop = drop_firsts and all(isinstance(rest, nn.Linear) for rest in waiting)
            if isinstance(layer, nn.Linear):
                jet = jet.linear(layer.weight, layer.bias, activation, drop_firsts=drop)
            else:
                jet = jet.activated(layer) if derivatives_of(layer) else jet.through(layer, drop_firsts=drop)
        return jet

    def linear(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        activation: nn.Module | None = None,
        *,
        drop_firsts: bool = False,
    ) -> "Jet":
        """A linear layer, and an activation after it; fused up to second derivatives.

        Args:
            weight: (w_out, w).
            bias: (w_out,), or None.
            activation: Elementwise, of known derivatives, or None.
            drop_firsts: Leave out first derivatives, where only linear layers follow and nobody asks for them. Up to
                second derivatives and with an activation; else they stay.
        """
        if activation is None or self.plan.order > 2:
            jet = self._linear(weight, bias)
            return jet if activation is None else jet.activated(activation)
        firsts = self.plan.firsts
        seconds = self.plan.streams[1 + len(firsts) :]
        pairs = [[(firsts.index(((i,),)), firsts.index(((j,),))) for i, j in s] for s in seconds]
        layout = Layout(_known(activation), isinstance(activation, nn.Tanh), len(firsts), pairs, drop_firsts)
        plan = self.plan.without_firsts() if drop_firsts else self.plan
        if self.columns is not None:
            value = nn.functional.linear(self.stack[0], weight, bias)
            return Jet(plan, activate_first(value, self.columns @ weight.T, layout))
        bias = bias if bias is not None else weight.new_zeros(len(weight))
        return Jet(plan, activate(self.stack @ weight.T, bias, layout))

    def _linear(self, weight: Tensor, bias: Tensor | None) -> "Jet":
        product = self.stack @ weight.T
        if bias is not None:
            product = torch.cat([product[:1] + bias, product[1:]])
        return Jet(self.plan, product, columns=None if self.columns is None else self.columns @ weight.T)

    def activated(self, activation: nn.Module) -> "Jet":
        """An elementwise function by itself.

        Args:
            activation: Of known derivatives.
        """
        return Jet(self.plan, elementwise(self.plan, self.stack, _known(activation)))

    def rescaled(self, scales: Sequence[float], shifts: Sequence[float]) -> "Jet":
        """Every feature times its scale, plus its shift.

        Args:
            scales: One per feature.
            shifts: One per feature.
        """
        stack = _each(self.stack, scales)
        value = torch.stack([column + shift for column, shift in zip(stack[:1].unbind(-1), shifts, strict=True)], -1)
        columns = None if self.columns is None else _each(self.columns, scales)
        return Jet(self.plan, torch.cat([value, stack[1:]]), columns=columns)

    def features(self, start: int, stop: int) -> "Jet":
        """Some features only.

        Args:
            start: The first.
            stop: The one after the last.
        """
        columns = None if self.columns is None else self.columns[:, start:stop]
        return Jet(self.plan, self.stack[..., start:stop], columns=columns)

    def plus(self, other: "Jet") -> "Jet":
        """The sum of two jets at the same points.

        Args:
            other: (s, b, w), or with one feature for all.
        """
        return Jet(self.plan, self.stack + other.stack)

    def minus(self, other: "Jet") -> "Jet":
        """The difference of two jets at the same points.

        Args:
            other: (s, b, w), or with one feature for all.
        """
        return Jet(self.plan, self.stack - other.stack)

    def times(self, other: "Jet") -> "Jet":
        """The product of two jets at the same points, feature by feature.

        Args:
            other: (s, b, w), or with one feature for all.
        """
        return Jet(self.plan, leibniz(self.plan, self.stack, other.stack))

    def joined(self, jets: Sequence["Jet"]) -> "Jet":
        """Jets of several networks at the same points, side by side along the features.

        Args:
            jets: Each (s, b, w_i).
        """
        return Jet(jets[0].plan, torch.cat([jet.stack for jet in jets], dim=-1))


def taylor(net: nn.Module, x: Points, wanted: Sequence[Stream]) -> tuple[Fields, ...]:
    """Derivatives of a network's fields.

    Args:
        net: Of layers that `supports_taylor` accepts.
        x: Points, (b, d).
        wanted: Which derivatives.

    Returns:
        One (b, k) per stream.
    """
    plan = Plan.of(wanted)
    jet = Jet.of_points(plan, x).through(net, drop_firsts=all(len(s[0]) != 1 for s in wanted))
    streams = jet.stack.unbind(0)
    return tuple(streams[jet.plan.streams.index(s)] for s in wanted)


def _known(activation: nn.Module) -> Derivatives:
    if (f := derivatives_of(activation)) is None:
        raise TypeError(f"`activation` must be one of known derivatives, got {type(activation).__name__}.")
    return f


def _each(x: Tensor, scales: Sequence[float]) -> Tensor:
    return torch.stack([column * scale for column, scale in zip(x.unbind(-1), scales, strict=True)], dim=-1)


def unsupported(net: object) -> object | None:
    """The first layer that Taylor mode cannot pass, or None.

    Args:
        net: A network.
    """
    if not isinstance(net, nn.Module) or net._forward_hooks or net._forward_pre_hooks:
        return net
    if type(net).forward in (nn.Linear.forward, nn.Identity.forward) or derivatives_of(net):
        return None
    if not _has_taylor(type(net)) and type(net).forward is not nn.Sequential.forward:
        return net
    named: Callable[[], Iterable[nn.Module]] = getattr(net, "taylor_layers", net.children)
    return next((bad for layer in named() if (bad := _inside(layer)) is not None), None)


def _has_taylor(kind: type) -> bool:
    """Whether its method `taylor` is of its `forward`, not inherited beside one that was overridden."""
    first = next((c for c in kind.__mro__ if vars(c).keys() & {"taylor", "forward"}), object)
    return "taylor" in vars(first)


def _inside(layer: nn.Module) -> object | None:
    if isinstance(layer, nn.ModuleList):
        return next((bad for child in layer if (bad := unsupported(child)) is not None), None)
    return unsupported(layer)
