"""Several variants in sequence."""

from collections.abc import Iterable
from typing import final

from torch import Tensor, nn

from lightning_autobalance.shapes import Jacobian
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo, StepContext, Variant


@final
class Stack(Variant):
    """Several variants in sequence: each works on the points and residuals that the previous one returns.

    The order matters: ``[GPINN(), RBA()]`` weights the gradient term as well, ``[RBA(), GPINN()]`` differentiates the
    weighted residual.

    Args:
        variants: At least one, the first to be applied first.

    Raises:
        ValueError: If there is none, if one has weights per point and another replaces the points, or if the points
            that one places are not used by a later one, which has its own.
    """

    def __init__(self, variants: list[Variant]) -> None:
        super().__init__()
        if not variants:
            raise ValueError("`variants` must hold at least one variant, got none.")
        _check_points(variants)
        self.variants: Iterable[Variant] = nn.ModuleList(variants)  # type: ignore[assignment]
        self.watches_gradients = any(v.watches_gradients for v in variants)
        self.replaces_points = any(v.replaces_points for v in variants)
        self.has_fixed_losses = all(v.has_fixed_losses for v in variants)
        self.has_point_weights = any(v.has_point_weights for v in variants)

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Prepare each for the terms of the problem and of the variants before it."""
        for variant in self.variants:
            problem = variant.prepare(problem)
            self.total_steps = variant.total_steps if variant.total_steps is not None else self.total_steps
        return problem

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Start the step of each, with the points of the data."""
        for variant in self.variants:
            variant.begin(context, points)

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points placed by each in turn."""
        for variant in self.variants:
            points = variant.place(points)
        return dict(points)

    def perturb(self, points: ByPart) -> dict[str, Tensor]:
        """The points perturbed by each in turn."""
        for variant in self.variants:
            points = variant.perturb(points)
        return dict(points)

    def learn(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The rows of the last; each updates its state from the rows of the previous one."""
        for variant in self.variants:
            residuals = variant.learn(points, residuals)
        return dict(residuals)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The rows of the last; each works on the rows of the previous one."""
        for variant in self.variants:
            residuals = variant.rows(points, residuals)
        return dict(residuals)

    def observe(self, jacobian: Jacobian) -> None:
        """Pass the gradients on to the variants that watch them."""
        for variant in self.variants:
            if variant.watches_gradients:
                variant.observe(jacobian)

    def numbers(self) -> dict[str, Tensor]:
        """The scalars of each, prefixed with the name of its class."""
        return {f"{type(v).__name__}/{name}": value for v in self.variants for name, value in v.numbers().items()}


def _check_points(variants: list[Variant]) -> None:
    for resampler in (v for v in variants if v.replaces_points):
        for weighted in (v for v in variants if v.has_point_weights and v is not resampler):
            raise ValueError(
                f"`variants` must not hold both {type(weighted).__name__}, whose weights belong to points that stay, "
                f"and {type(resampler).__name__}, which replaces points."
            )
    _check_later_points(variants)


def _check_later_points(variants: list[Variant]) -> None:
    for number, later in enumerate(variants):
        part = getattr(later, "part", None) if later.replaces_points else None
        for earlier in variants[:number] if part is not None else ():
            if earlier.replaces_points and getattr(earlier, "part", part) == part:
                raise ValueError(
                    f"`variants` must not hold {type(earlier).__name__} before {type(later).__name__}, which has "
                    f"points of its own in {part!r} and ignores those placed before. Swap them, or leave one out."
                )
