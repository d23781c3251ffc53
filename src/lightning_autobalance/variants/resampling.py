"""Adaptive resampling: collocation points follow the residuals."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from lightning_autobalance.points import Domain
from lightning_autobalance.shapes import Points
from lightning_autobalance.utils.arguments import check_at_least, check_positive
from lightning_autobalance.utils.distributed import gather_rows, own_rows, sum_over_ranks
from lightning_autobalance.variants.base import ByPart, ProblemInfo, StepContext
from lightning_autobalance.variants.candidates import Candidates
from lightning_autobalance.variants.part import PartVariant
from lightning_autobalance.variants.seeded import Seeded


class Resampling(Seeded, PartVariant):
    """A variant that chooses new points every ``interval`` steps, by the residuals at candidates.

    Args:
        interval: Optimizer steps between two choices, > 0.
        power: Exponent k of the residual in the density, >= 0.
        offset: Constant c in the density, >= 0.
        candidates: Number of uniform candidates to choose from, > 0.
        seed: Seed of the candidates and of the choice. By default the one given to ``seed_everything``.
        part: Part of the domain whose points are chosen.
        terms: Names of the loss terms to go by. By default all with exactly one row per point of the part.
    """

    replaces_points = True
    per_point: Mapping[str, int] = {"current": 0}
    current: Tensor  # the points in use, (b, d)

    def __init__(
        self,
        interval: int,
        power: float,
        offset: float,
        candidates: int,
        seed: int | None,
        part: str,
        terms: list[str] | None,
    ) -> None:
        super().__init__(part, terms)
        for name, count in {"interval": interval, "candidates": candidates}.items():
            check_positive(name, count)
        for name, value in {"power": power, "offset": offset}.items():
            check_at_least(name, value, 0)
        self.interval = interval
        self.power = power
        self.offset = offset
        self.candidates = candidates
        self._set_seed(seed)
        self.register_buffer("current", torch.empty(0))

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms and the domain.

        Raises:
            ValueError: If there is no term, or if the data resamples its points.
        """
        if problem.resample_every:
            raise ValueError(
                f"`data.resample_every` must be 0 with {type(self).__name__}, which chooses the points of "
                f"{self.part!r} itself every `interval` steps, got {problem.resample_every}."
            )
        self._domain: Domain = problem.domain
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Choose new points when due."""
        if not self.current.numel():
            self.current = points[self.part].detach().clone()
        if context.step and context.step % self.interval == 0:
            candidates = Candidates(self.seed, self.part)
            current = gather_rows(self.current)  # every process makes the same choice for all of them
            drawn = candidates.points(self._domain, max(self.candidates, self.wanted(current)), context.step, current)
            squares = candidates.squares(context, points, drawn, self.terms)
            self.current = own_rows(self.chosen(current, drawn, self.density(squares), context.step))

    def density(self, squares: Tensor) -> Tensor:
        r"""The density at each candidate, not normalized, (c,).

        .. math:: \sum_{\text{terms}} |r|^k / \overline{|r|^k} + c

        Args:
            squares: Squared residual norms by term and candidate, (t, c).
        """
        powers = squares.pow(self.power / 2)
        means = powers.mean(dim=1, keepdim=True)
        return (powers / torch.where(means > 0, means, torch.ones_like(means)) + self.offset).sum(dim=0)

    @abstractmethod
    def wanted(self, current: Points) -> int:
        """How many of the candidates become points.

        Args:
            current: The points in use, of all processes, (b, d).
        """

    @abstractmethod
    def chosen(self, current: Tensor, drawn: Tensor, density: Tensor, step: int) -> Tensor:
        """The points to use from now on, of all processes, (b', d).

        Args:
            current: The points in use, of all processes, (b, d).
            drawn: The candidates, (c, d).
            density: At the candidates, not normalized, (c,).
            step: Number of optimizer steps taken so far.
        """

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points in use, in place of the data's."""
        return {**points, self.part: self.current.to(points[self.part])} if self.current.numel() else dict(points)

    def numbers(self) -> dict[str, Tensor]:
        """Number of points in use, over all processes."""
        return {"points": sum_over_ranks(torch.tensor(float(len(self.current)), device=self.current.device))}


@final
class RAD(Resampling):
    r"""Residual-based adaptive distribution: all points are redrawn, with a density that follows the residual.

    .. math:: p(x) \propto \frac{|r(x)|^k}{\mathbb{E} |r|^k} + c

    Args:
        interval: Optimizer steps between two draws, > 0.
        power: k, >= 0.
        offset: c, >= 0.
        candidates: Number of uniform candidates to choose from, > 0.
        seed: Seed of the candidates and of the choice. By default the one given to ``seed_everything``.
        part: Part of the domain whose points are redrawn.
        terms: Names of the loss terms to go by. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If an argument is out of range, or if the data resamples its points.

    Reference:
        Wu, Zhu, Tan, Kartha, Lu, 2023, "A comprehensive study of non-adaptive and residual-based adaptive sampling for
        physics-informed neural networks", algorithm 3.
    """

    def __init__(
        self,
        interval: int = 1000,
        power: float = 1.0,
        offset: float = 1.0,
        candidates: int = 20_000,
        seed: int | None = None,
        part: str = "interior",
        terms: list[str] | None = None,
    ) -> None:
        super().__init__(interval, power, offset, candidates, seed, part, terms)

    def wanted(self, current: Points) -> int:
        """As many as there are points."""
        return len(current)

    def chosen(self, current: Tensor, drawn: Tensor, density: Tensor, step: int) -> Tensor:
        """As many candidates as there are points, drawn by the density."""
        return drawn[Candidates(self.seed, self.part).choose(density, len(current), step)]


@final
class RAR(Resampling):
    r"""Residual-based adaptive refinement: points are added where the residual is large; none is removed.

    Args:
        interval: Optimizer steps between two additions, > 0.
        added: Number of points added each time, > 0.
        greedy: Take the candidates of largest density (RAR), or draw them by the density as `RAD` does (RAR-D).
        power: Exponent k of the residual in the density of `RAD`, >= 0.
        offset: Constant c in that density, >= 0; no effect if ``greedy``.
        candidates: Number of uniform candidates to choose from, > 0.
        seed: Seed of the candidates and of the choice. By default the one given to ``seed_everything``.
        part: Part of the domain that points are added to.
        terms: Names of the loss terms to go by. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If an argument is out of range, or if the data resamples its points.

    Reference:
        Lu, Meng, Mao, Karniadakis, 2021, "DeepXDE" (RAR); Wu et al., 2023, algorithm 4 (RAR-D).
    """

    def __init__(
        self,
        interval: int = 1000,
        added: int = 20,
        greedy: bool = False,
        power: float = 2.0,
        offset: float = 0.0,
        candidates: int = 20_000,
        seed: int | None = None,
        part: str = "interior",
        terms: list[str] | None = None,
    ) -> None:
        super().__init__(interval, power, offset, candidates, seed, part, terms)
        check_positive("added", added)
        self.added = added
        self.greedy = greedy

    def wanted(self, current: Points) -> int:  # noqa: ARG002
        """As many as are added."""
        return self.added

    def chosen(self, current: Tensor, drawn: Tensor, density: Tensor, step: int) -> Tensor:
        """The points in use, followed by the added ones."""
        if self.greedy:
            best = density.argsort(descending=True, stable=True)[: self.added]
        else:
            best = Candidates(self.seed, self.part).choose(density, self.added, step)
        return torch.cat([current, drawn[best]])
