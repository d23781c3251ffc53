"""The residuals of several modules of one class, evaluated as one: parameters and points stacked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from lightning_autobalance.derivatives.fused import stacked_operations
from lightning_autobalance.module import PINNModule

ByName = dict[str, Tensor]
ByPart = Mapping[str, Tensor]
Slots = dict[str, list[tuple[dict[str, Any], str]]]  # by name of a tensor, the dictionaries and keys where it lies
NOT_STACKED = ("variant.", "balancer.", "val_metrics.", "test_metrics.")  # residuals do not ask them


class CannotStackError(RuntimeError):
    """Residuals that are not, or not surely, the same when evaluated as one."""


class Stack:
    r"""Modules of one class, whose parameters and buffers are stacked anew for every evaluation, (k, \*shape).

    Args:
        modules: k of one class, with parameters of the same shapes.
    """

    def __init__(self, modules: Sequence[PINNModule]) -> None:
        self.modules = list(modules)
        self._slots = [_slots(module) for module in modules]
        self.names = {id(p): name for module in modules for name, p in module.named_parameters()}
        self._points: tuple[list[Tensor], list[int], dict[str, Tensor]] = ([], [], {})

    def state(self) -> ByName:
        r"""Parameters and buffers by name, each (k, \*shape); trained ones are leaves of a graph of their own."""
        found = {}
        for name, first in self._slots[0].items():
            own, key = first[0]
            values = [slots[name][0][0][slots[name][0][1]].detach() for slots in self._slots]
            found[name] = torch.stack(values).requires_grad_(own[key].requires_grad)
        return found

    def points(self, points: Sequence[ByPart]) -> ByName:
        """The points of all modules, by part, each (k, b, d); remembered while they stay.

        Args:
            points: Of each module, by part, each (b, d).
        """
        tensors = [x for own in points for x in own.values()]
        seen, versions, stacked = self._points
        same = len(seen) == len(tensors) and all(map(_is_view, seen, tensors))
        if same and versions == [x._version for x in tensors]:
            return stacked
        stacked = {part: torch.stack([own[part] for own in points]) for part in points[0]}
        self._points = (tensors, [x._version for x in tensors], stacked)
        return stacked

    def residuals(self, state: ByName, points: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        r"""The residuals of all modules.

        Args:
            state: Parameters and buffers by name, each (k, \*shape).
            points: By part, each (k, b, d).

        Returns:
            k times, by term, (b,) or (b, l).
        """

        def one(own: ByName, here: ByName) -> dict[str, Tensor]:
            with _replaced(self._slots[0], own):
                return self.modules[0].residuals(here)

        with stacked_operations():
            found: dict[str, Tensor] = vmap(one)(state, dict(points))
        rows = {term: residual.unbind(0) for term, residual in found.items()}
        return [{term: row[i] for term, row in rows.items()} for i in range(len(self.modules))]

    def check(self, points: Sequence[ByPart]) -> None:
        """See that stacked residuals are those of each module by itself, at parameters where nothing cancels.

        Args:
            points: Of each module, by part, each (b, d).

        Raises:
            CannotStackError: If they are not, or leave a trace in the module.
            Exception: Whatever the residuals raise when they are stacked.
        """
        with torch.no_grad(), _attributes_kept(self.modules):
            trained = {name for name, value in self.state().items() if value.requires_grad}
            state = {name: _moved(value) if name in trained else value for name, value in self.state().items()}
            together = self.residuals(state, self.points(points))
            for i, module in enumerate(self.modules):
                own = {name: value[i].clone() for name, value in state.items()}
                with _leaves_no_trace(module, self._slots[i], own):
                    alone = module.residuals(points[i])
                _compare(alone, together[i])


def _is_view(seen: Tensor, now: Tensor) -> bool:
    """Whether the numbers are the same ones in memory, which stays taken while they are remembered."""
    same = (seen.data_ptr(), seen.shape, seen.stride()) == (now.data_ptr(), now.shape, now.stride())
    return same and not now.requires_grad and not seen.requires_grad


def _slots(module: PINNModule) -> Slots:
    found: Slots = {}
    names: dict[int, str] = {}
    for prefix, part in module.named_modules():
        for own in (part._parameters, part._buffers):
            for key, value in own.items():
                name = f"{prefix}.{key}".removeprefix(".")
                if value is not None and not name.startswith(NOT_STACKED):
                    found.setdefault(names.setdefault(id(value), name), []).append((own, key))  # tied ones in one
    return found


@contextmanager
def _replaced(slots: Slots, state: Mapping[str, Tensor]) -> Iterator[None]:
    """While open, the module's parameters and buffers are others; then those that were there before."""
    before = {name: places[0][0][places[0][1]] for name, places in slots.items()}
    try:
        _put(slots, state)
        yield
    finally:
        _put(slots, before)


def _put(slots: Slots, state: Mapping[str, Tensor]) -> None:
    for name, places in slots.items():
        for own, key in places:
            own[key] = state[name]


def _moved(value: Tensor) -> Tensor:
    """Other parameters: residuals of trained ones are small differences of large numbers, whose rounding differs."""
    generator = torch.Generator().manual_seed(0)  # the run's random numbers stay as they are
    noise = torch.randn(value.shape, dtype=torch.float64, generator=generator)
    return value.detach().clamp(-1.0, 1.0) + 0.1 * noise.to(value)


@contextmanager
def _leaves_no_trace(module: PINNModule, slots: Slots, state: ByName) -> Iterator[None]:
    versions, plain = {name: value._version for name, value in state.items()}, _plain(module)
    with _replaced(slots, state):
        yield
        changed = [
            name
            for name, ((own, key), *_) in slots.items()
            if own[key] is not state[name] or own[key]._version != versions[name]
        ]
    before = {name: value for name, (_, _, value) in plain.items()}
    changed += [name for name, (_, _, value) in _plain(module).items() if name not in before or before[name] != value]
    if changed:
        raise CannotStackError(f"they change {changed[0]!r}")


@contextmanager
def _attributes_kept(modules: Sequence[PINNModule]) -> Iterator[None]:
    found = [place for module in modules for place in _plain(module).values()]
    try:
        yield
    finally:
        for attributes, key, value in found:
            attributes[key] = value


def _plain(module: PINNModule) -> dict[str, tuple[dict[str, Any], str, Any]]:
    """By name, numbers and texts among the attributes: in which dictionary they lie, under which key, and the value."""
    return {
        f"{name}.{key}".removeprefix("."): (vars(part), key, value)
        for name, part in module.named_modules()
        if not f"{name}.".startswith(NOT_STACKED)
        for key, value in vars(part).items()
        if isinstance(value, bool | int | float | str)
    }


def _compare(alone: Mapping[str, Tensor], together: Mapping[str, Tensor]) -> None:
    for term, wanted in alone.items():
        found = together[term]
        if found.shape == wanted.shape and not bool(torch.isfinite(wanted).all()):
            continue  # a run that diverges, which its own step will say
        tolerance = torch.finfo(wanted.dtype).eps ** 0.5 * wanted.abs().max()
        if found.shape != wanted.shape or not bool(((found - wanted).abs() <= tolerance).all()):
            raise CannotStackError(
                f"the residual of {term!r} is another one then: what differs from seed to seed must be a parameter or "
                "a buffer of the module"
            )
