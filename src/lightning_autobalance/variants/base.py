"""The interface of variants, and the information they receive about the problem and about a step."""

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
    """Information about the problem that a variant receives before training.

    Args:
        domain: The domain of the PDE, with its named parts.
        parts_of_terms: For each loss term, the parts of the domain whose points its residual depends on. Exactly one
            part means one row per point of that part.
        max_steps: Optimizer steps of the run; None if unlimited, 0 without a Trainer.
        resample_every: Optimizer steps between two draws of collocation points by the data; 0 if they are drawn once.
    """

    domain: Domain
    parts_of_terms: Mapping[str, tuple[str, ...]]
    max_steps: int | None = None
    resample_every: int = 0

    @property
    def origins(self) -> Mapping[str, tuple[str, ...]]:
        """Former name of ``parts_of_terms``."""
        return self.parts_of_terms

    @property
    def steps(self) -> int | None:
        """Former name of ``max_steps``."""
        return self.max_steps

    @property
    def redrawn(self) -> int:
        """Former name of ``resample_every``."""
        return self.resample_every

    def terms_on(self, part: str) -> tuple[str, ...]:
        """Names of the loss terms with exactly one row per point of a part."""
        return tuple(term for term, parts in self.parts_of_terms.items() if parts == (part,))

    def time_axis(self, variant: str) -> int:
        """Number of the coordinate t.

        Args:
            variant: Name of the variant that needs it.

        Raises:
            ValueError: If the domain has no time.
        """
        coordinates = self.domain.coordinates
        if "t" not in coordinates:
            raise ValueError(
                f"{variant} needs a domain with a coordinate t, got {coordinates}. Use a `TimeCylinder`, or another "
                "variant for a problem without time."
            )
        return coordinates.index("t")

    def with_term(self, term: str, part: str) -> "ProblemInfo":
        """A copy with one more loss term, which has one row per point of a part."""
        return replace(self, parts_of_terms={**self.parts_of_terms, term: (part,)})


@dataclass(frozen=True)
class StepContext:
    """Information about a training step that a variant receives at its start.

    Args:
        step: Number of optimizer steps taken so far, 0 in the first.
        residuals: Evaluates the residuals at other points with the current parameters, without a graph: points by
            part to residuals by term.
    """

    step: int
    residuals: Callable[[ByPart], dict[str, Tensor]]


class Variant(ResizedBuffers, ABC):
    """Turns points and residuals into one loss per term; knows neither the PDE nor the optimizer.

    A subclass overrides the hooks of the stages that it changes; the defaults are those of the plain PINN. Before
    training, `prepare` is called. A training step calls, in this order: `begin`, `place` and `perturb` to obtain
    the points, then, with the residuals there, `learn` and `reduce` to obtain the losses, and finally `observe` with
    their gradients. Outside a training step, such as in a callback, only `place`, `rows` and `reduce` are called;
    these three, and `perturb`, must leave the state unchanged.

    A variant is a module: state held in buffers is part of every checkpoint.
    """

    watches_gradients: bool = False
    """Whether `observe` must be called."""
    replaces_points: bool = False
    """Whether `place` returns points other than those of the data."""
    per_point: Mapping[str, int] = {}
    """Names of the buffers with one entry per point, and their axis of points: each process holds the entries of its
    own points, a checkpoint those of all."""
    total_steps: int | None = None
    """Length of the schedule of a variant whose losses depend on how long the run is; known after `prepare`."""
    has_fixed_losses: bool = True
    """Whether, within a step, the losses are one smooth function of the parameters, as a finisher needs."""
    has_point_weights: bool = False
    """Whether weights belong to points, which then must stay."""

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms and parts to work on; called before training and before any other hook.

        Args:
            problem: The problem as the preceding variant of a stack, or else the PDE, defines it.

        Returns:
            The problem as the next variant of a stack sees it: with the terms that this one adds.

        Raises:
            ValueError: If the variant cannot work on this problem.
        """
        return problem

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Start a training step: choose points, draw random numbers, or note the step.

        Args:
            context: The step, and a way to evaluate residuals at other points.
            points: Points of the data, by part, each (b, d).
        """

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points at which to evaluate the residuals, in training and outside; changes no state.

        Args:
            points: Points of the data, by part, each (b, d).

        Returns:
            By part, each (b', d). They require grad if the variant differentiates residuals by them.
        """
        return dict(points)

    def perturb(self, points: ByPart) -> dict[str, Tensor]:
        """The points of a training step, displaced at random; called after `place`, in training only.

        Args:
            points: What `place` returned, by part, each (b, d).

        Returns:
            By part, each (b', d).
        """
        return dict(points)

    def learn(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """Update the state from the residuals of a training step, and return the rows of its losses.

        Called exactly once per training step, in place of `rows`.

        Args:
            points: The points at which the residuals were evaluated, by part, each (b, d).
            residuals: By term, each (b,) or (b, k).

        Returns:
            As from `rows`.
        """
        return self.rows(points, residuals)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:  # noqa: ARG002
        """The rows whose mean squares are the losses; changes no state.

        Args:
            points: The points at which the residuals were evaluated, by part, each (b, d).
            residuals: By term, each (b,) or (b, k).

        Returns:
            By term, each (b,) or (b, k): the residuals, weighted, followed by the terms that the variant adds.
        """
        return dict(residuals)

    def observe(self, jacobian: Jacobian) -> None:
        """Receive the gradients of a training step; called only if `watches_gradients`.

        Args:
            jacobian: Row i is the gradient of loss term i, including the term's fixed weight, (m, n).
        """

    def numbers(self) -> dict[str, Tensor]:
        """Scalars to log, by name, each (); called on logged steps only."""
        return {}

    def reduce(self, rows: ByTerm) -> dict[str, Tensor]:
        r"""One loss per term: the mean square :math:`\frac{1}{bk} \sum_{jl} r_{jl}^2` of its rows.

        Args:
            rows: By term, each (b,) or (b, k).

        Returns:
            By term, each ().
        """
        return {term: row.square().mean() for term, row in rows.items()}

    def forward(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The losses with the state as it is: `rows`, then `reduce`.

        Args:
            points: The points at which the residuals were evaluated, by part, each (b, d).
            residuals: By term, each (b,) or (b, k).

        Returns:
            By term, each (); the terms of ``residuals`` come first.
        """
        return self.reduce(self.rows(points, residuals))
