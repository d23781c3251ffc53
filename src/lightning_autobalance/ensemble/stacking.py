"""The residuals of several modules of one class, evaluated as one: parameters and points stacked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lightning_autobalance.derivatives.fused import plain_operations
from lightning_autobalance.module import PINNModule

ByName = dict[str, Tensor]
ByPart = Mapping[str, Tensor]
NOT_STACKED = ("variant.", "balancer.", "val_metrics.", "test_metrics.")  # residuals do not ask them


class CannotStackError(RuntimeError):
    """Residuals that are not, or not surely, the same when evaluated as one."""


class Holder(nn.Module):
    """The residuals as a module's forward pass, whose parameters ``functional_call`` can replace."""

    def __init__(self, module: PINNModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, points: ByPart) -> dict[str, Tensor]:
        """The residuals."""
        return self.module.residuals(points)


def stacked_state(modules: Sequence[PINNModule]) -> tuple[ByName, ByName]:
    r"""Parameters and buffers side by side; the parameters that are trained are leaves of a graph of their own.

    Args:
        modules: k of one class.

    Returns:
        Parameters and buffers by name, each (k, \*shape).
    """
    parameters = [dict(module.named_parameters()) for module in modules]
    buffers = [dict(module.named_buffers()) for module in modules]
    return _stacked(parameters), _stacked(buffers)


def _stacked(states: Sequence[Mapping[str, Tensor]]) -> ByName:
    found = {}
    for name, first in states[0].items():
        if not name.startswith(NOT_STACKED):
            found[name] = torch.stack([state[name].detach() for state in states]).requires_grad_(first.requires_grad)
    return found


def stacked_points(points: Sequence[ByPart]) -> ByName:
    """The points of all runs, by part, each (k, b, d).

    Args:
        points: Of each run, by part, each (b, d).
    """
    return {part: torch.stack([own[part] for own in points]) for part in points[0]}


def evaluate(template: PINNModule, state: Mapping[str, Tensor], points: ByPart) -> list[dict[str, Tensor]]:
    r"""The residuals of k runs.

    Args:
        template: One of their modules.
        state: Parameters and buffers by name, each (k, \*shape).
        points: By part, each (k, b, d).

    Returns:
        k times, by term, (b,) or (b, l).
    """
    holder = Holder(template)

    def one(own: ByName, here: ByName) -> dict[str, Tensor]:
        return functional_call(holder, {f"module.{name}": value for name, value in own.items()}, (here,))

    with plain_operations():
        found: dict[str, Tensor] = vmap(one)(dict(state), dict(points))
    rows = {term: residual.unbind(0) for term, residual in found.items()}
    return [{term: row[i] for term, row in rows.items()} for i in range(len(next(iter(points.values()))))]


def check(modules: Sequence[PINNModule], points: Sequence[ByPart]) -> None:
    """See that stacked residuals are those of each run by itself, at parameters where nothing cancels.

    Args:
        modules: Of one class.
        points: Of each, by part, each (b, d).

    Raises:
        CannotStackError: If they are not, or leave a trace in the module.
        Exception: Whatever the residuals raise when they are stacked.
    """
    parameters, buffers = stacked_state(modules)
    moved = {name: _moved(value) for name, value in parameters.items()}
    with torch.no_grad():
        together = evaluate(modules[0], moved | buffers, stacked_points(points))
        for i, module in enumerate(modules):
            own = {f"module.{name}": value[i].clone() for name, value in (moved | buffers).items()}
            with _leaves_no_trace(module, own):
                alone = functional_call(Holder(module), own, (points[i],))
            _compare(alone, together[i])


def _moved(value: Tensor) -> Tensor:
    """Other parameters: residuals of trained ones are small differences of large numbers, whose rounding differs."""
    if not value.is_floating_point():
        return value.detach()
    generator = torch.Generator().manual_seed(0)  # the run's random numbers stay as they are
    noise = torch.randn(value.shape, dtype=torch.float64, generator=generator)
    return value.detach() + 0.1 * noise.to(value)


@contextmanager
def _leaves_no_trace(module: PINNModule, state: dict[str, Tensor]) -> Iterator[None]:
    before, versions, plain = dict(state), {name: value._version for name, value in state.items()}, _plain(module)
    yield
    changed = [name for name, value in state.items() if value is not before[name] or value._version != versions[name]]
    own = _plain(module)
    changed += [name for name, value in own.items() if name not in plain or plain[name] != value]
    if changed:
        raise CannotStackError(f"they change {changed[0].removeprefix('module.')!r}")


def _plain(module: PINNModule) -> dict[str, Any]:
    return {
        f"{name}.{key}".strip("."): value
        for name, part in module.named_modules()
        if not f"{name}.".startswith(NOT_STACKED)
        for key, value in vars(part).items()
        if isinstance(value, bool | int | float | str)
    }


def _compare(alone: Mapping[str, Tensor], together: Mapping[str, Tensor]) -> None:
    for term, wanted in alone.items():
        found = together[term]
        tolerance = torch.finfo(wanted.dtype).eps ** 0.5 * wanted.abs().max()
        if found.shape != wanted.shape or not bool(((found - wanted).abs() <= tolerance).all()):
            raise CannotStackError(
                f"the residual of {term!r} is another one then: what differs from seed to seed must be a parameter or "
                "a buffer of the module"
            )
