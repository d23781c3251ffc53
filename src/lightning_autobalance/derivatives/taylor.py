"""Forward Taylor mode: derivatives by coordinates travel through the network beside its value."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives.activations import Derivatives, derivatives_of
from lightning_autobalance.derivatives.fused import Layout, activate, activate_first
from lightning_autobalance.derivatives.names import Plan, Stream, partitions
from lightning_autobalance.shapes import Fields, Points


class Jet:
    r"""A value and its derivatives by the coordinates, (s, b, w): s streams of b points and w features.

    A linear layer acts on every stream alike, the bias on the value only. An elementwise f acts by the chain rule of
    higher order (Faa di Bruno), a sum over all partitions of a derivative's indices into blocks:

    .. math:: \partial_\alpha f(h) = \sum_{\pi \vdash \alpha} f^{(|\pi|)}(h) \prod_{B \in \pi} \partial_B h

    Its top term is linear, hence a sum of derivatives of one order can travel as one stream.

    A network that is not a chain of such layers joins in by a method ``taylor(self, jet) -> Jet``.

    Args:
        plan: Which streams there are.
        stack: Their values, (s, b, w).
        is_input: Whether these are the coordinates themselves.
    """

    def __init__(self, plan: Plan, stack: Tensor, *, is_input: bool = False) -> None:
        self.plan = plan
        self.stack = stack
        self.is_input = is_input

    @classmethod
    def of_points(cls, plan: Plan, x: Points) -> "Jet":
        """The coordinates: themselves, with unit vectors as first derivatives and nothing above.

        Args:
            plan: Which streams there will be.
            x: Points, (b, d).
        """
        units = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        rows = [units[s[0][0]].expand_as(x) if len(s[0]) == 1 else torch.zeros_like(x) for s in plan.streams[1:]]
        return cls(plan, torch.stack([x, *rows]), is_input=True)

    def through(self, module: nn.Module, *, wanted: Sequence[Stream] | None = None) -> "Jet":
        """What a network makes of the jet.

        Args:
            module: Of layers that `supports_taylor` accepts.
            wanted: Where nothing follows the module: the streams that are asked for; others may be missing.
        """
        own = getattr(module, "taylor", None)
        if callable(own):
            jet: Jet = own(self)
            return jet
        if isinstance(module, nn.Sequential):
            return self._chain([layer for layer in module if not isinstance(layer, nn.Identity)], wanted)
        return self._chain([module] if not isinstance(module, nn.Identity) else [], wanted)

    def _chain(self, layers: Sequence[nn.Module], wanted: Sequence[Stream] | None) -> "Jet":
        jet, waiting = self, list(layers)
        while waiting:
            layer = waiting.pop(0)
            if not isinstance(layer, nn.Linear):
                jet = jet._activated(layer) if derivatives_of(layer) else jet.through(layer)
            elif waiting and jet.plan.order <= 2 and derivatives_of(waiting[0]):
                activation = waiting.pop(0)
                only_linear_follows = wanted is not None and all(isinstance(rest, nn.Linear) for rest in waiting)
                jet = jet._linear_and_activated(
                    layer, activation, drop_firsts=only_linear_follows and _no_firsts(wanted)
                )
            else:
                jet = jet._linear(layer)
        return jet

    def _linear_and_activated(self, layer: nn.Linear, activation: nn.Module, *, drop_firsts: bool) -> "Jet":
        f = derivatives_of(activation)
        if f is None:
            raise TypeError(f"`{type(activation).__name__}` has no derivatives.")
        firsts = [s[0][0] for s in self.plan.streams[1:] if len(s[0]) == 1]
        pairs = [[(firsts.index(i), firsts.index(j)) for i, j in s] for s in self.plan.streams[1 + len(firsts) :]]
        layout = Layout(f, isinstance(activation, nn.Tanh), len(firsts), pairs, drop_firsts)
        plan = self.plan.without_firsts() if drop_firsts else self.plan
        if self.is_input:
            value = nn.functional.linear(self.stack[0], layer.weight, layer.bias)
            return Jet(plan, activate_first(value, layer.weight.T[firsts], layout))
        bias = layer.bias if layer.bias is not None else layer.weight.new_zeros(layer.out_features)
        return Jet(plan, activate(self.stack @ layer.weight.T, bias, layout))

    def _product(self, layer: nn.Linear) -> Tensor:
        return self.stack @ layer.weight.T

    def _linear(self, layer: nn.Linear) -> "Jet":
        product = self._product(layer)
        if layer.bias is not None:
            product = torch.cat([product[:1] + layer.bias, product[1:]])
        return Jet(self.plan, product)

    def _activated(self, layer: nn.Module) -> "Jet":
        f = derivatives_of(layer)
        if f is None:
            raise TypeError(f"`{type(layer).__name__}` has no derivatives.")
        return Jet(self.plan, elementwise(self.plan, self.stack, f))

    def joined(self, jets: Sequence["Jet"]) -> "Jet":
        """Jets of several networks at the same points, side by side along the features.

        Args:
            jets: Each (s, b, w_i).
        """
        return Jet(self.plan, torch.cat([jet.stack for jet in jets], dim=-1))


def elementwise(plan: Plan, stack: Tensor, f: Derivatives) -> Tensor:
    """The chain rule of an elementwise function, stream by stream: any order, slow and obvious.

    Args:
        plan: Which streams there are.
        stack: Their values, (s, b, w).
        f: Derivatives of the function.
    """
    h = dict(zip(plan.streams, stack.unbind(0), strict=True))
    slopes = f(h[((),)], plan.order)

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

    return torch.stack([slopes[0], *(stream(s) for s in plan.streams[1:])])


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
    jet = Jet.of_points(plan, x).through(net, wanted=wanted)
    streams = jet.stack.unbind(0)
    return tuple(streams[jet.plan.streams.index(s)] for s in wanted)


def _no_firsts(wanted: Sequence[Stream] | None) -> bool:
    return wanted is not None and all(len(s[0]) != 1 for s in wanted)


def unsupported(net: object) -> object | None:
    """The first layer that Taylor mode cannot pass, or None.

    Args:
        net: A network.
    """
    if not isinstance(net, nn.Module) or net._forward_hooks or net._forward_pre_hooks:
        return net
    if type(net).forward in (nn.Linear.forward, nn.Identity.forward) or derivatives_of(net):
        return None
    if not callable(getattr(net, "taylor", None)) and type(net).forward is not nn.Sequential.forward:
        return net
    return next((bad for layer in net.children() if (bad := _inside(layer)) is not None), None)


def _inside(layer: nn.Module) -> object | None:
    if isinstance(layer, nn.ModuleList):
        return next((bad for child in layer if (bad := unsupported(child)) is not None), None)
    return unsupported(layer)
