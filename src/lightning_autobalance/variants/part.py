"""The base of variants that work on the residuals of one part of the domain."""

import torch
from torch import Tensor

from lightning_autobalance.variants.base import ByPart, ProblemInfo, Variant


class PartVariant(Variant):
    """A variant that changes the loss terms whose residual is evaluated at the points of one part of the domain.

    Args:
        part: Name of the part of the domain.
        terms: Names of the loss terms to change. By default all with exactly one row per point of the part.
    """

    def __init__(self, part: str = "interior", terms: list[str] | None = None) -> None:
        super().__init__()
        self.part = part
        self.chosen_terms = tuple(terms) if terms is not None else None
        self.terms: tuple[str, ...] = self.chosen_terms or ()

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms to change.

        Raises:
            ValueError: If there is none, or if one of the constructor's ``terms`` does not have one row per point.
        """
        name, available = type(self).__name__, problem.terms_on(self.part)
        for term in self.chosen_terms or ():
            if term not in available:
                raise ValueError(
                    f"`terms` of {name} must name loss terms with one residual per point of {self.part!r}, "
                    f"{list(available)}, got {term!r}."
                )
        self.terms = self.chosen_terms if self.chosen_terms is not None else available
        if not self.terms:
            raise ValueError(
                f"{name} needs a loss term with one residual per point of {self.part!r}, got "
                f"{dict(problem.parts_of_terms)} (by term, the parts its rows follow from). Name another part by "
                "`part`."
            )
        return problem

    def with_gradient(self, points: ByPart) -> dict[str, Tensor]:
        """The points, with those of the part as leaves that require grad, so that residuals can be differentiated.

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
