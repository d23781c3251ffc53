"""Several variants at once."""

from collections.abc import Iterable
from typing import final

from torch import Tensor, nn

from lightning_autobalance.shapes import Jacobian
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo, StepContext, Variant


@final
class Stack(Variant):
    """Variants one after the other: each works on the points and residuals that the one before gives.

    Order counts: ``[GPINN(), RBA()]`` weights the gradient's term too, ``[RBA(), GPINN()]`` differentiates the weighted
    residual.

    Args:
        variants: At least one.

    Raises:
        ValueError: If there are none, or weights that belong to points meet a variant that replaces these.
    """

    def __init__(self, variants: list[Variant]) -> None:
        super().__init__()
        if not variants:
            raise ValueError("`variants` must hold at least one variant, got none.")
        _check_points(variants)
        self.variants: Iterable[Variant] = nn.ModuleList(variants)  # type: ignore[assignment]
        self.watches_gradients = any(v.watches_gradients for v in variants)
        self.replaces_points = any(v.replaces_points for v in variants)
        self.has_point_weights = any(v.has_point_weights for v in variants)

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Let each see the terms that those before leave."""
        for variant in self.variants:
            problem = variant.prepare(problem)
        return problem

    def begin(self, context: StepContext, points: ByPart) -> None:
        """Each with the data's points."""
        for variant in self.variants:
            variant.begin(context, points)

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """One after the other."""
        for variant in self.variants:
            points = variant.place(points)
        return dict(points)

    def perturb(self, points: ByPart) -> dict[str, Tensor]:
        """One after the other."""
        for variant in self.variants:
            points = variant.perturb(points)
        return dict(points)

    def learn(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """One after the other."""
        for variant in self.variants:
            residuals = variant.learn(points, residuals)
        return dict(residuals)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """One after the other."""
        for variant in self.variants:
            residuals = variant.rows(points, residuals)
        return dict(residuals)

    def observe(self, jacobian: Jacobian) -> None:
        """Each that wants to."""
        for variant in self.variants:
            if variant.watches_gradients:
                variant.observe(jacobian)

    def numbers(self) -> dict[str, Tensor]:
        """Those of each, under its name."""
        return {f"{type(v).__name__}/{name}": value for v in self.variants for name, value in v.numbers().items()}


def _check_points(variants: list[Variant]) -> None:
    for mover in (v for v in variants if v.replaces_points):
        for weights in (v for v in variants if v.has_point_weights and v is not mover):
            raise ValueError(
                f"`variants` must not hold both {type(weights).__name__}, whose weights belong to points that stay, "
                f"and {type(mover).__name__}, which replaces points."
            )
