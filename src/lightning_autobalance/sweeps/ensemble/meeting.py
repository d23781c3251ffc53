"""Where the training steps of several runs meet: requests, and how they are answered together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_autobalance import jacobian, together
from lightning_autobalance.module import PINNModule
from lightning_autobalance.sweeps.ensemble import stacking
from lightning_autobalance.sweeps.ensemble.turns import Turns

ByPart = Mapping[str, Tensor]


@dataclass
class Batch:
    r"""Residuals of several runs that were evaluated as one.

    Args:
        stack: Of their modules.
        state: The parameters by name, each (k, \*shape).
        places: Which of the k each player's run is.
    """

    stack: stacking.Stack
    state: dict[str, Tensor]
    places: dict[int, int]


@dataclass
class Residuals:
    """Asks for residuals.

    Args:
        module: Whose.
        points: By part, each (b, d).
    """

    module: PINNModule
    points: ByPart

    @property
    def step(self) -> int:
        """The run's step; runs that are behind go first."""
        return int(self.module.trainer.global_step)

    @property
    def kind(self) -> tuple[Any, ...]:
        """What must agree to be stacked."""
        return tuple((part, x.shape, x.dtype, x.device, x.requires_grad) for part, x in self.points.items())


@dataclass
class Slopes:
    """Asks for the gradient of a number by points.

    Args:
        batch: That it belongs to.
        value: ().
        points: (b, d).
        graph: Whether it is to be differentiated again.
    """

    batch: Batch
    value: Tensor
    points: Tensor
    graph: bool


@dataclass
class Gradients:
    """Asks for one gradient per loss term.

    Args:
        batch: That the losses belong to.
        losses: By term, each ().
        names: Of the parameters.
        shared: Whether terms share a graph.
    """

    batch: Batch
    losses: Mapping[str, Tensor]
    names: Sequence[str]
    shared: bool | None


class Meeting:
    """Answers the requests of all runs; says so once where residuals cannot be stacked.

    Args:
        reason: Why residuals are not to be stacked; None where they are.
    """

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason
        self._evaluations = 0
        self._stack: stacking.Stack | None = None

    def answer(self, requests: Mapping[int, Any]) -> dict[int, Any]:
        """The answers of those who are farthest behind.

        Args:
            requests: By player.
        """
        slopes = {player: request for player, request in requests.items() if isinstance(request, Slopes)}
        if slopes:
            return _slopes(slopes)
        gradients = {player: request for player, request in requests.items() if isinstance(request, Gradients)}
        if gradients:
            return _gradients(gradients)
        first = min(request.step for request in requests.values())
        behind = {player: request for player, request in requests.items() if request.step == first}
        kind_of_first = next(iter(behind.values())).kind
        return self._residuals({player: request for player, request in behind.items() if request.kind == kind_of_first})

    def _residuals(self, requests: Mapping[int, Residuals]) -> dict[int, Any]:
        modules, points = [r.module for r in requests.values()], [r.points for r in requests.values()]
        if len(modules) == 1 or self.reason is not None:
            return dict.fromkeys(requests)
        stack = self._stack_of(modules)
        if not self._passes(stack, points):
            return dict.fromkeys(requests)
        state = stack.state()
        rows = stack.residuals(state, stack.points(points))
        batch = Batch(stack, state, {player: place for place, player in enumerate(requests)})
        return {player: (batch, rows[place]) for player, place in batch.places.items()}

    def _stack_of(self, modules: Sequence[PINNModule]) -> stacking.Stack:
        if self._stack is None or len(modules) != len(self._stack.modules) or _differ(modules, self._stack.modules):
            self._stack = stacking.Stack(modules)
        return self._stack

    def _passes(self, stack: stacking.Stack, points: Sequence[ByPart]) -> bool:
        self._evaluations += 1
        if self._evaluations & (self._evaluations - 1):  # 1, 2, 4, 8, ...
            return True
        module = stack.modules[0]
        try:
            stack.check(points)
        except Exception as error:  # of any kind: torch.func has many for what it cannot look into
            if self._evaluations > 1:
                raise stacking.CannotStackError(
                    f"The residuals of {type(module).__name__} must stay those of each seed, found at step "
                    f"{module.trainer.global_step} that {error}. Train the seeds one by one."
                ) from error
            self.reason = _first_line(error)
            rank_zero_warn(
                f"The seeds are trained one after the other, which takes as long as single runs: the residuals of "
                f"{type(module).__name__} cannot be stacked ({self.reason})."
            )
            return False
        return True


def _differ(some: Sequence[PINNModule], others: Sequence[PINNModule]) -> bool:
    return any(a is not b for a, b in zip(some, others, strict=True))


class Companion:
    """One run's way to the others.

    Args:
        player: Its number.
        turns: Where all take turns.
    """

    def __init__(self, player: int, turns: Turns) -> None:
        self._player = player
        self._turns = turns
        self._batch: Batch | None = None
        self._points: ByPart = {}

    def residuals(self, module: Any, points: ByPart) -> dict[str, Tensor]:
        """Of this run, with those of the others; alone where they are not stacked.

        Args:
            module: Of this run.
            points: By part, each (b, d).
        """
        self._batch, self._points = None, points
        found = self._turns.ask(self._player, Residuals(module, points))  # also where each is alone: all keep pace
        if found is None:
            own: dict[str, Tensor] = module.residuals(points)
            return own
        self._batch, rows = found
        return dict(rows)

    def slopes(self, value: Tensor, points: Tensor, graph: bool) -> Tensor | None:
        """Of this run's value, with those of the others.

        Args:
            value: ().
            points: (b, d).
            graph: Whether they are to be differentiated again.
        """
        if self._batch is None or not any(points is x for x in self._points.values()):
            return together.own_slopes(value, points, graph=graph)
        found: Tensor | None = self._turns.ask(self._player, Slopes(self._batch, value, points, graph))
        return found

    def term_gradients(
        self, losses: Mapping[str, Tensor], params: Sequence[Tensor], shared: bool | None
    ) -> list[Tensor | None]:
        """Of this run's losses, with those of the others.

        Args:
            losses: By term, each ().
            params: Of this run.
            shared: Whether terms share a graph.
        """
        self._turns.go_on()
        batch, self._batch = self._batch, None
        if batch is None:
            return jacobian.term_gradients(losses, params, shared=shared)
        names = [batch.stack.names[id(p)] for p in params]
        found: list[Tensor | None] = self._turns.ask(self._player, Gradients(batch, losses, names, shared))
        return found


def _slopes(requests: Mapping[int, Slopes]) -> dict[int, Any]:
    first = next(iter(requests.values()))
    some = {p: r for p, r in requests.items() if r.batch is first.batch and r.graph == first.graph}
    found = torch.autograd.grad(
        [request.value for request in some.values()],
        [request.points for request in some.values()],
        create_graph=first.graph,
        retain_graph=True,
        allow_unused=True,
    )
    return dict(zip(some, found, strict=True))


def _gradients(waiting: Mapping[int, Gradients]) -> dict[int, Any]:
    batch = next(iter(waiting.values())).batch
    requests = {player: request for player, request in waiting.items() if request.batch is batch}
    asked = {term: None for request in requests.values() for term in request.losses}
    sums = {term: torch.stack(_losses_of(term, requests.values())).sum() for term in asked}
    names = list(dict.fromkeys(name for request in requests.values() for name in request.names))
    shared = None if any(r.shared is None for r in requests.values()) else any(r.shared for r in requests.values())
    blocks = jacobian.term_gradients(sums, [batch.state[name] for name in names], shared=shared)
    by_name = {name: _by_run(block) for name, block in zip(names, blocks, strict=True)}
    found = {}
    for player, request in requests.items():
        rows, place = [i for i, term in enumerate(asked) if term in request.losses], batch.places[player]
        own = [by_name[name] for name in request.names]
        found[player] = [None if b is None else b[place] if len(rows) == len(asked) else b[place][rows] for b in own]
    return found


def _losses_of(term: str, requests: Iterable[Gradients]) -> list[Tensor]:
    return [request.losses[term] for request in requests if term in request.losses]


def _by_run(block: Tensor | None) -> Sequence[Tensor] | None:
    r"""(m, k, \*shape) to k contiguous blocks (m, \*shape): no run's gradient reaches another's parameters."""
    return None if block is None else block.transpose(0, 1).contiguous().unbind(0)


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{type(error).__name__}: {line}" if not isinstance(error, stacking.CannotStackError) else line
