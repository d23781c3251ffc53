"""Gradient-enhanced PINN."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.utils.arguments import check_at_least
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo
from lightning_autobalance.variants.part import PartVariant, by_points

SUFFIX = "_gradient"


@final
class GPINN(PartVariant):
    r"""Gradient-enhanced PINN: the residual's derivatives by the coordinates shall vanish, too, as a loss term more.

    .. math:: L_g = w_g \sum_{k=1}^{d} \frac{1}{b} \sum_j \left( \frac{\partial r_j}{\partial x_k} \right)^2

    For each term ``pde`` there is a term ``pde_gradient``. The residual is differentiated in reverse mode, through the
    source terms too: these must be torch functions of the points.

    Args:
        weight: w_g. The authors take between 1e-5 and 0.1, by problem. Under post-combine it cancels.
        part: At whose points.
        terms: Names of the loss terms; all that have one row per point of the part where None.

    Raises:
        ValueError: If the weight is negative.

    Reference:
        Yu, Lu, Meng, Karniadakis, 2022, "Gradient-enhanced physics-informed neural networks for forward and inverse
        PDE problems", equation 4.
    """

    def __init__(self, weight: float = 0.1, part: str = "interior", terms: list[str] | None = None) -> None:
        super().__init__(part, terms)
        check_at_least("weight", weight, 0)
        self.weight = weight

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Find the terms, and announce those that are added."""
        problem = super().prepare(problem)
        for term in self.terms:
            if term + SUFFIX in problem.parts_of_terms:
                raise ValueError(f"`residuals` must have no term {term + SUFFIX!r} with GPINN, which adds it, got one.")
            problem = problem.with_term(term + SUFFIX, self.part)
        return problem

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points, ready to be differentiated by."""
        return self.with_gradient(points)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The residuals, and their weighted derivatives, (b, k d) each."""
        x = points[self.part]
        found = dict(residuals)
        for term in self.terms:
            columns = residuals[term].reshape(len(x), -1).unbind(dim=1)
            slopes = torch.cat([by_points(column, x, graph=True) for column in columns], dim=1)
            found[term + SUFFIX] = slopes * (self.weight * x.shape[1]) ** 0.5  # the mean over d becomes a sum
        return found
