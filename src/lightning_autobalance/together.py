"""Where a training step may be computed together with those of other runs: residuals, slopes and gradients.

Alone, which is the rule, each function below is the plain operation that it names.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lightning_autobalance import jacobian
from lightning_autobalance.shapes import ParamJac


@runtime_checkable
class HasResiduals(Protocol):
    """What gives residuals: a ``PINNModule``."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By term, (b,) or (b, k).

        Args:
            points: By part, each (b, d).
        """


@runtime_checkable
class Companions(Protocol):
    """The other runs, as one run sees them."""

    def residuals(self, module: HasResiduals, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As the function of this name.

        Args:
            module: Of this run.
            points: Of this run.
        """

    def slopes(self, value: Tensor, points: Tensor, graph: bool) -> Tensor | None:
        """As the function of this name.

        Args:
            value: Of this run.
            points: Of this run.
            graph: Whether the slopes are to be differentiated again.
        """

    def term_gradients(
        self, losses: Mapping[str, Tensor], params: Sequence[Tensor], shared: bool | None
    ) -> list[ParamJac | None]:
        """As the function of this name.

        Args:
            losses: Of this run.
            params: Of this run.
            shared: Whether terms share a graph.
        """


_COMPANIONS: ContextVar[Companions | None] = ContextVar("companions", default=None)


@contextmanager
def together(companions: Companions) -> Iterator[None]:
    """While open, in this thread only, training steps are computed with those of other runs.

    Args:
        companions: The way to them.
    """
    token = _COMPANIONS.set(companions)
    try:
        yield
    finally:
        _COMPANIONS.reset(token)


def _companions() -> Companions | None:
    return None if torch.compiler.is_compiling() else _COMPANIONS.get()  # the compiler knows no context variables


def residuals(module: HasResiduals, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The residuals of a training step.

    Args:
        module: Gives them.
        points: By part, each (b, d).
    """
    companions = _companions()
    return module.residuals(points) if companions is None else companions.residuals(module, points)


def slopes(value: Tensor, points: Tensor, *, graph: bool) -> Tensor | None:
    """The gradient of a number by the points that it was taken at; None where it does not depend on them.

    Args:
        value: ().
        points: (b, d).
        graph: Whether it is to be differentiated again.
    """
    companions = _companions()
    return own_slopes(value, points, graph=graph) if companions is None else companions.slopes(value, points, graph)


def own_slopes(value: Tensor, points: Tensor, *, graph: bool) -> Tensor | None:
    """The same of this run alone.

    Args:
        value: ().
        points: (b, d).
        graph: Whether it is to be differentiated again.
    """
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        value, points, create_graph=graph, retain_graph=True, allow_unused=True
    )
    return found[0]


def term_gradients(
    losses: Mapping[str, Tensor], params: Sequence[Tensor], *, shared: bool | None = None
) -> list[ParamJac | None]:
    r"""One gradient per loss term, as :func:`lightning_autobalance.jacobian.term_gradients` gives them.

    Args:
        losses: m 0-dim losses by the name of their term.
        params: Parameters of any shape.
        shared: Whether terms share a graph.

    Returns:
        One block (m, \*shape) per parameter, or None.
    """
    companions = _companions()
    if companions is None:
        return jacobian.term_gradients(losses, params, shared=shared)
    return companions.term_gradients(losses, params, shared)
