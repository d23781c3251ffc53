"""Stage 1: points to residuals to one loss per term."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from lightning_autobalance.utils.distributed import single_process
from lightning_autobalance.variants import StepContext, Variant

ByPart = Mapping[str, Tensor]  # points by part of the domain, each (b, d)
PointFunction = Callable[[ByPart], dict[str, Tensor]]  # to residuals, each (b,) or (b, k), or to losses, by term


class TermLosses(NamedTuple):
    """The losses of a training step, with their graphs.

    Args:
        values: One scalar per term, without its fixed weight.
        counts: By term, the number of residual values that its loss averages over.
    """

    values: dict[str, Tensor]
    counts: dict[str, int]


@dataclass(frozen=True)
class ResidualLosses:
    """Losses that a variant makes of residuals.

    Args:
        variant: Turns points and residuals into losses.
        residuals: Those of the equation.
    """

    variant: Variant
    residuals: PointFunction

    def begin(self, points: ByPart, step: int) -> dict[str, Tensor]:
        """Start a step: the variant chooses and moves the points at which its residuals are taken.

        Args:
            points: The data's, by part, each (b, d).
            step: Number of optimizer steps done before.
        """
        self.variant.begin(StepContext(step, self._residuals_without_graph), points)
        return _as_leaves(self.variant.perturb(self.variant.place(points)))

    def begin_fixed(self, points: ByPart, step: int) -> dict[str, Tensor]:
        """As `begin`, without displacing the points at random.

        Args:
            points: The data's, by part, each (b, d).
            step: Number of optimizer steps done before.
        """
        self.variant.begin(StepContext(step, self._residuals_without_graph), points)
        return _as_leaves(self.variant.place(points))

    def rows(self, points: ByPart) -> dict[str, Tensor]:
        """The rows whose mean squares are the losses, by term, each (b,) or (b, k); no state changes.

        Args:
            points: From `begin_fixed`.
        """
        rows: dict[str, Tensor] = self.variant.rows(points, self.residuals(points))
        return rows

    def __call__(self, points: ByPart) -> TermLosses:
        """The losses of the step; the variant's state moves on.

        Args:
            points: From `begin`.
        """
        return variant_losses(self.variant, self.residuals, points)

    def again(self, points: ByPart) -> dict[str, Tensor]:
        """The same losses with new graphs; no state changes.

        Args:
            points: From `begin`.
        """
        losses: dict[str, Tensor] = self.variant(points, self.residuals(points))
        return losses

    def counts(self, points: ByPart) -> list[int]:
        """Over how many residual values each loss averages, m numbers.

        Args:
            points: From `begin_fixed`.
        """
        return [row.numel() for row in self.rows(points).values()]

    def _residuals_without_graph(self, points: ByPart) -> dict[str, Tensor]:
        with torch.no_grad():
            return {term: residual.detach() for term, residual in self.residuals(points).items()}


@dataclass(frozen=True)
class OwnLosses:
    """Losses that a module computes itself, without a variant.

    Args:
        losses: From points to one scalar per term.
        owner: Name of the module's class, for messages.
    """

    losses: PointFunction
    owner: str

    def begin(self, points: ByPart, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """The data's points."""
        return dict(points)

    def begin_fixed(self, points: ByPart, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """The data's points."""
        return dict(points)

    def __call__(self, points: ByPart) -> TermLosses:
        """The losses; each counts once, since nothing is known of what it averages."""
        values = self.losses(points)
        return TermLosses(values, dict.fromkeys(values, 1))

    def again(self, points: ByPart) -> dict[str, Tensor]:
        """The losses once more."""
        return self.losses(points)

    def counts(self, points: ByPart) -> list[int]:
        """Each loss counts once."""
        return [1] * len(self.losses(points))


def _as_leaves(points: ByPart) -> dict[str, Tensor]:
    """Leaves of the graph, which is what a compiled function takes."""
    return {part: x.detach().requires_grad_(x.requires_grad) for part, x in points.items()}


LossStage: TypeAlias = ResidualLosses | OwnLosses


def variant_losses(variant: Variant, residuals: PointFunction, points: ByPart) -> TermLosses:
    """The losses of a training step; the variant's state moves on. A plain function, which compilers can follow.

    Args:
        variant: Turns points and residuals into losses.
        residuals: Those of the equation.
        points: From ``ResidualLosses.begin``, by part, each (b, d).
    """
    rows = variant.learn(points, residuals(points))
    return TermLosses(variant.reduce(rows), {term: row.numel() for term, row in rows.items()})


def losses_outside_training(variant: Variant, residuals: PointFunction, points: ByPart) -> dict[str, Tensor]:
    """The losses of this process's points with the variant's state as it is, for callbacks and checks.

    Args:
        variant: Turns points and residuals into losses.
        residuals: Those of the equation.
        points: The data's, by part, each (b, d).
    """
    with single_process():  # a callback may ask in one process only
        placed = variant.place(points)
        losses: dict[str, Tensor] = variant(placed, residuals(placed))
    return losses


def weighted(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """The losses times their fixed weights.

    Args:
        losses: One scalar per term.
        weights: By term; 1 where a term has none.
    """
    return {term: weights[term] * loss if term in weights else loss for term, loss in losses.items()}


def select(losses: Mapping[str, Tensor], terms: tuple[str, ...]) -> dict[str, Tensor]:
    """The losses of some terms, in their own order.

    Args:
        losses: One scalar per term.
        terms: The names to keep; all where there are none.
    """
    return {term: loss for term, loss in losses.items() if not terms or term in terms}
