"""Adaptive resampling: points move to where the residuals are large."""

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
    """A variant that chooses new points now and then.

    Args:
        interval: Steps from one choice to the next.
        power: k, of the residual in the density.
        offset: c, the part of the density that does not depend on the residual.
        candidates: How many uniform points are drawn to choose from.
        seed: Of the draws. By default that given to ``seed_everything``.
        part: Whose points are chosen.
        terms: Names of the loss terms; all that have one row per point of the part where None.
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
        """Find the terms and the domain.

        Raises:
            ValueError: If the data draws points by itself.
        """
        if problem.resample_every:
            raise ValueError(
                f"`data.resample_every` must be 0 with {type(self).__name__}, which chooses the points of "
                f"{self.part!r} itself every `interval` steps, got {problem.resample_every}."
            )
        self._domain: Domain = problem.domain
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Choose points where it is time."""
        if not self.current.numel():
            self.current = points[self.part].detach().clone()
        if context.step and context.step % self.interval == 0:
            draws = Candidates(self.seed, self.part)
            whole = gather_rows(self.current)  # every process chooses for all, and alike
            fresh = draws.points(self._domain, max(self.candidates, self.wanted(whole)), context.step, whole)
            squares = draws.squares(context, points, fresh, self.terms)
            self.current = own_rows(self.chosen(whole, fresh, self.density(squares), context.step))

    def density(self, squares: Tensor) -> Tensor:
        r"""The sum over terms of :math:`|r|^k / \overline{|r|^k} + c`, (c,).

        Args:
            squares: Squared residuals by term and candidate, (t, c).
        """
        powers = squares.pow(self.power / 2)
        means = powers.mean(dim=1, keepdim=True)
        return (powers / torch.where(means > 0, means, torch.ones_like(means)) + self.offset).sum(dim=0)

    @abstractmethod
    def wanted(self, whole: Points) -> int:
        """How many candidates are taken.

        Args:
            whole: The points so far, of all processes, (b, d).
        """

    @abstractmethod
    def chosen(self, whole: Tensor, fresh: Tensor, density: Tensor, step: int) -> Tensor:
        """The new points, of all processes, (b', d).

        Args:
            whole: The points so far, of all processes, (b, d).
            fresh: Candidates, (c, d).
            density: Of each, not normalised, (c,).
            step: Number of optimizer steps done.
        """

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points in use, in place of the data's."""
        return {**points, self.part: self.current.to(points[self.part])} if self.current.numel() else dict(points)

    def numbers(self) -> dict[str, Tensor]:
        """How many points there are."""
        return {"points": sum_over_ranks(torch.tensor(float(len(self.current)), device=self.current.device))}


@final
class RAD(Resampling):
    r"""Residual-based adaptive distribution: all points are drawn anew, in proportion to the residual.

    .. math:: p(x) \propto \frac{|r(x)|^k}{\mathbb{E} |r|^k} + c

    Args:
        interval: Steps from one choice to the next.
        power: k.
        offset: c.
        candidates: How many uniform points are drawn to choose from.
        seed: Of the draws. By default that given to ``seed_everything``.
        part: Whose points are chosen.
        terms: Names of the loss terms; all that have one row per point of the part where None.

    Raises:
        ValueError: If a number is out of its range, or the data re-draws points, too.

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

    def wanted(self, whole: Points) -> int:
        """As many as there are."""
        return len(whole)

    def chosen(self, whole: Tensor, fresh: Tensor, density: Tensor, step: int) -> Tensor:
        """Drawn from the candidates."""
        return fresh[Candidates(self.seed, self.part).choose(density, len(whole), step)]


@final
class RAR(Resampling):
    r"""Residual-based adaptive refinement: points are added where the residual is large, none is taken away.

    Args:
        interval: Steps from one choice to the next.
        added: How many points each time.
        greedy: Take the candidates of the largest residuals (RAR), or draw them as `RAD` does (RAR-D).
        power: k; of no effect where greedy.
        offset: c; of no effect where greedy.
        candidates: How many uniform points are drawn to choose from.
        seed: Of the draws. By default that given to ``seed_everything``.
        part: Whose points are chosen.
        terms: Names of the loss terms; all that have one row per point of the part where None.

    Raises:
        ValueError: If a number is out of its range, or the data re-draws points, too.

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

    def wanted(self, whole: Points) -> int:  # noqa: ARG002
        """As many as are added."""
        return self.added

    def chosen(self, whole: Tensor, fresh: Tensor, density: Tensor, step: int) -> Tensor:
        """The points there are, and the new ones."""
        if self.greedy:
            best = density.argsort(descending=True, stable=True)[: self.added]
        else:
            best = Candidates(self.seed, self.part).choose(density, self.added, step)
        return torch.cat([whole, fresh[best]])
