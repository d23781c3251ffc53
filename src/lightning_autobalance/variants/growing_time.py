"""A time span that grows during training."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.utils.arguments import check_at_least, check_interval, check_positive
from lightning_autobalance.utils.messages import rank_zero_info
from lightning_autobalance.variants.base import ByPart, ProblemInfo, StepContext, Variant


@final
class GrowingTime(Variant):
    r"""Time marching by one network: the points lie in a span of time that grows to the whole.

    .. math::
        t \to t_0 + f_k (t - t_0), \quad f_k = \min \Bigl( 1, f_0 + (1 - f_0) \frac{(k - K)^+}{N} \Bigr)

    at optimizer step k, for the points of all parts of the domain. The solution of a short span is found first, and
    continued, so that what lies later is not fitted before what it follows from.

    Args:
        start: Part of the time span at the beginning, :math:`f_0`, in (0, 1].
        begin: Step from which the span grows, K, >= 0; that at which a finish begins, where it is to grow in it.
        steps: Steps until it is the whole span, N, > 0.

    Raises:
        ValueError: If an argument is out of range, or if the domain has no time.

    Reference:
        Wight and Zhao, 2021, "Solving Allen-Cahn and Cahn-Hilliard equations using the adaptive physics informed
        neural networks", section 3.1; Krishnapriyan et al., 2021, solve spans one after the other.

    Note:
        The authors add points of later times in a few stages, each trained for long; here the given points are
        stretched a little in each step, so that a short span has as many as the whole. Measurements stay.
    """

    replaces_points = True
    scale: Tensor  # of the points of a part, (d,)

    def __init__(self, start: float = 0.05, begin: int = 0, steps: int = 1000) -> None:
        super().__init__()
        check_interval("start", start, 0, 1, ends="(]")
        check_at_least("begin", begin, 0)
        check_positive("steps", steps)
        self.start = start
        self.begin_at = begin
        self.steps = steps
        self.register_buffer("scale", torch.empty(0))

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the time axis; say so where the run ends before the span is whole.

        Raises:
            ValueError: If the domain has no time.
        """
        self._axis = problem.time_axis("GrowingTime")
        if problem.max_steps and problem.max_steps < self.begin_at + self.steps and self.start < 1:
            rank_zero_info(
                f"`begin` and `steps` of GrowingTime must sum to at most `trainer.max_steps`, {problem.max_steps}, for "
                f"the span to be whole, got {self.begin_at} and {self.steps}: late times are not trained. Lower them, "
                "or raise `trainer.max_steps`."
            )
        self._origin = torch.zeros(len(problem.domain.coordinates), dtype=torch.float64)
        self._origin[self._axis] = problem.domain.bounds[self._axis][0]
        self._parts = tuple(problem.domain.parts)
        if not self.scale.numel():
            self.scale = self._scale_at(0)
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Let the span grow."""
        self.scale = self._scale_at(context.step).to(next(iter(points.values())).device)

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points with their times in the present span."""
        return {part: self._placed(x) if part in self._parts else x for part, x in points.items()}

    def numbers(self) -> dict[str, Tensor]:
        """The present part of the time span."""
        return {"time_span": self.scale[self._axis]}

    def _placed(self, x: Tensor) -> Tensor:
        origin, scale = self._origin.to(x), self.scale.to(x)
        return origin + scale * (x - origin)

    def _scale_at(self, step: int) -> Tensor:
        scale = torch.ones(len(self._origin), dtype=torch.float64)
        scale[self._axis] = min(1.0, self.start + (1 - self.start) * max(0, step - self.begin_at) / self.steps)
        return scale
