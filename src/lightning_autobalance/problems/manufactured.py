"""Manufactured solutions: a problem changed so that a chosen function solves it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.shapes import Fields, Points

Problem = TypeVar("Problem", bound=PINNModule)


def manufactured(problem: type[Problem], exact: Callable[[Points], Fields]) -> type[Problem]:
    r"""The same problem with the sources, boundary and initial values by which a chosen function solves it.

    .. math:: r(u) \to r(u) - r(u_\text{exact})

    for every loss term. So the operators of ``residuals`` are tried on a known solution, of which errors and plots
    follow. The source itself is what ``residuals`` gives, its sign changed, with `field_replaced` open for ``exact``.

    Args:
        problem: A class whose ``residuals`` ask for the fields through ``self(x)``, ``self.partials`` and the like.
        exact: (b, d) to (b, k), of operations of torch.

    Returns:
        A subclass. One of your own below it gives it a name: ``class Trial(manufactured(Heat, wave)): ...``
    """

    class Manufactured(problem):  # type: ignore[valid-type,misc]
        _knows_its_sources = False

        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            own = super().residuals(points)  # first: the compiler does not trace Taylor mode after a replacement
            with self.field_replaced(exact):
                sources = super().residuals(points)
            if not self._knows_its_sources and torch.is_grad_enabled() and not torch.compiler.is_compiling():
                _refuse_unknowns(self, sources)
                self._knows_its_sources = True
            return {term: residual - sources[term] for term, residual in own.items()}

        def exact(self, x: Points) -> Fields:
            return exact(x)

    Manufactured.__name__ = Manufactured.__qualname__ = f"Manufactured{problem.__name__}"
    Manufactured.__doc__ = f"`{problem.__name__}` with sources by which a chosen function solves it."
    return Manufactured


def _refuse_unknowns(module: PINNModule, sources: Mapping[str, Any]) -> None:
    """Refuse sources that follow a trained parameter: for every value of it, the solution would be the same."""
    total = torch.stack([source.sum() for source in sources.values()]).sum()
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not total.requires_grad or not named:
        return
    found = torch.autograd.grad(total, list(named.values()), retain_graph=True, allow_unused=True)
    reached = [name for name, gradient in zip(named, found, strict=True) if gradient is not None]
    if reached:
        raise MisconfigurationException(
            f"`manufactured` must be given a problem without unknown parameters, got {reached}: the sources would "
            "follow them, and every value of them would do."
        )
