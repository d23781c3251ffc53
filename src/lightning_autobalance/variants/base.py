"""What every variant is, and what it may know."""

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from lightning_autobalance.points import Domain
from lightning_autobalance.shapes import Jacobian
from lightning_autobalance.utils.buffers import ResizedBuffers

ByPart = Mapping[str, Tensor]  # points by part of the domain, each (b, d)
ByTerm = Mapping[str, Tensor]  # residuals by loss term, each (b,) or (b, k)


@dataclass(frozen=True)
class ProblemInfo:
    """What a variant may know of a problem before training.

    Args:
        domain: Where the points lie.
        parts_of_terms: By loss term, the parts of the domain where its residual is taken, in the order of its rows.
        max_steps: Optimizer steps of the whole run; None where it has no end, 0 where nothing is trained.
        resample_every: After how many steps the data draws new points; 0 never.
    """

    domain: Domain
    parts_of_terms: Mapping[str, tuple[str, ...]]
    max_steps: int | None = None
    resample_every: int = 0

    def terms_on(self, part: str) -> tuple[str, ...]:
        """The loss terms with one row per point of a part.

        Args:
            part: Of the domain.
        """
        return tuple(term for term, parts in self.parts_of_terms.items() if parts == (part,))

    def with_term(self, term: str, part: str) -> "ProblemInfo":
        """The same with one more loss term.

        Args:
            term: Its name.
            part: Where its residual is taken.
        """
        return replace(self, parts_of_terms={**self.parts_of_terms, term: (part,)})


@dataclass(frozen=True)
class StepContext:
    """What a variant may know of a step.

    Args:
        step: Number of optimizer steps done before.
        residuals: The residuals at other points, without a graph.
    """

    step: int
    residuals: Callable[[ByPart], dict[str, Tensor]]


class Variant(ResizedBuffers, ABC):
    """Turns points and residuals into one loss per term; knows neither the PDE nor the optimizer.

    A variant overrides what it changes of a step. In training: `begin`, `place`, `perturb`, then the residuals, then
    `learn`, then the mean squares, then `observe`. Elsewhere, such as in a callback, only `place` and `rows`, which
    change no state.

    A variant is a module, so that what it remembers lies in buffers and is part of every checkpoint.
    """

    watches_gradients: bool = False
    """Whether `observe` wants the gradients."""
    replaces_points: bool = False
    """Whether `place` gives other points than the data's."""
    per_point: Mapping[str, int] = {}
    """Buffers with one entry per point, and along which axis: each process keeps its own, a checkpoint all."""
    has_point_weights: bool = False
    """Whether weights belong to points, which then must stay."""

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Learn the names of terms and parts before training, and refuse what cannot work.

        Args:
            problem: What is known of it.

        Returns:
            The problem as a variant stacked on this one sees it.

        Raises:
            ValueError: If the variant cannot work there.
        """
        return problem

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Start a training step: draw random numbers, choose other points.

        Args:
            context: What is known of the step.
            points: The data's, by part, each (b, d).
        """

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points where residuals are taken; changes no state.

        Args:
            points: The data's, by part, each (b, d).
        """
        return dict(points)

    def perturb(self, points: ByPart) -> dict[str, Tensor]:
        """The points of a training step, moved by what `begin` drew.

        Args:
            points: From `place`, by part, each (b, d).
        """
        return dict(points)

    def learn(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """In a training step: bring the state up to date, then give `rows`.

        Args:
            points: Where the residuals were taken, by part, each (b, d).
            residuals: By term, each (b,) or (b, k).
        """
        return self.rows(points, residuals)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:  # noqa: ARG002
        """What is squared: the residuals, weighted, and terms of the variant's own; changes no state.

        Args:
            points: Where the residuals were taken, by part, each (b, d).
            residuals: By term, each (b,) or (b, k).

        Returns:
            By term, each (b,) or (b, k).
        """
        return dict(residuals)

    def observe(self, jacobian: Jacobian) -> None:
        """Look at the gradients of a training step; only where `watches_gradients`.

        Args:
            jacobian: Row i is the gradient of loss term i, its fixed weight included, (m, n).
        """

    def numbers(self) -> dict[str, Tensor]:
        """0-dim tensors for the log, by name; asked for on logged steps only."""
        return {}

    def reduce(self, rows: ByTerm) -> dict[str, Tensor]:
        r"""One loss per term, the mean square :math:`\frac{1}{bk} \sum_{jl} r_{jl}^2`.

        Args:
            rows: By term, each (b,) or (b, k).
        """
        return {term: row.square().mean() for term, row in rows.items()}

    def forward(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """Give each term its loss; changes no state.

        Args:
            points: Where the residuals were taken, by part, each (b, d).
            residuals: By term, each (b,) or (b, k).

        Returns:
            One scalar loss by term, the terms of ``residuals`` first.
        """
        return self.reduce(self.rows(points, residuals))
