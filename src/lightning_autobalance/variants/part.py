"""Variants that work on the residuals of one part of the domain."""

import torch
from torch import Tensor

from lightning_autobalance.variants.base import ByPart, ProblemInfo, Variant


class PartVariant(Variant):
    """A variant of the terms whose residuals are taken at the points of one part.

    Args:
        part: Of the domain.
        terms: Names of the loss terms; all that have one row per point of the part where None.
    """

    def __init__(self, part: str = "interior", terms: list[str] | None = None) -> None:
        super().__init__()
        self.part = part
        self.given = tuple(terms) if terms is not None else None
        self.terms: tuple[str, ...] = self.given or ()

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Find the terms.

        Raises:
            ValueError: If there are none, or one that was named has not one row per point of the part.
        """
        name, there = type(self).__name__, problem.terms_on(self.part)
        for term in self.given if self.given is not None else ():
            if term not in there:
                raise ValueError(
                    f"`terms` of {name} must name loss terms with one residual per point of {self.part!r}, "
                    f"{list(there)}, got {term!r}."
                )
        self.terms = self.given if self.given is not None else there
        if not self.terms:
            raise ValueError(
                f"{name} needs a loss term with one residual per point of {self.part!r}, got "
                f"{dict(problem.parts_of_terms)} (by term, the parts its rows follow from). Name another part by "
                "`part`."
            )
        return problem

    def with_gradient(self, points: ByPart) -> dict[str, Tensor]:
        """The points, those of the part such that residuals can be differentiated by them.

        Args:
            points: By part, each (b, d).
        """
        return {**points, self.part: points[self.part].detach().requires_grad_()}


def by_points(value: Tensor, points: Tensor, *, graph: bool) -> Tensor:
    """The gradient of a number per point by the point's own coordinates.

    Args:
        value: Of pointwise functions, (b,).
        points: Where it was taken, (b, d).
        graph: Whether the gradient is to be differentiated again.

    Returns:
        (b, d).

    Raises:
        ValueError: If the value does not depend on the points.
    """
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        value.sum(), points, create_graph=graph, retain_graph=True, allow_unused=True
    )
    if found[0] is None:
        raise ValueError(
            "The residual must depend on the points it is taken at, got one that does not: do not detach or copy "
            "`points` in `residuals`."
        )
    return found[0]
