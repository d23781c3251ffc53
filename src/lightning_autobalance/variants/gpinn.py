"""gPINN, gradient-enhanced PINN: the residual's derivatives by the coordinates as a further term."""

from typing import final

import torch
from torch import Tensor

from lightning_autobalance.utils.arguments import check_at_least
from lightning_autobalance.variants.base import ByPart, ByTerm, ProblemInfo
from lightning_autobalance.variants.part import PartVariant, by_points

SUFFIX = "_gradient"


@final
class GPINN(PartVariant):
    r"""Gradient-enhanced PINN: an additional loss term for the derivatives of the residual by the coordinates.

    .. math:: L_g = w_g \sum_{k=1}^{d} \frac{1}{b} \sum_j \left( \frac{\partial r_j}{\partial x_k} \right)^2

    A term ``pde`` is accompanied by a term ``pde_gradient``. The residual is differentiated in reverse mode, including
    its source terms, which must be torch functions of the points.

    Args:
        weight: w_g, >= 0. The authors use 1e-5 to 0.1, depending on the problem. Cancels under post-combine.
        part: Part of the domain at whose points the residual is differentiated.
        terms: Names of the loss terms to differentiate. By default all with exactly one row per point of the part.

    Raises:
        ValueError: If ``weight`` is negative.

    Reference:
        Yu, Lu, Meng, Karniadakis, 2022, "Gradient-enhanced physics-informed neural networks for forward and inverse
        PDE problems", equation 4.
    """

    def __init__(self, weight: float = 0.1, part: str = "interior", terms: list[str] | None = None) -> None:
        super().__init__(part, terms)
        check_at_least("weight", weight, 0)
        self.weight = weight

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms to differentiate, and add one for each.

        Raises:
            ValueError: If there is none, or if a name for an added term is taken.
        """
        problem = super().prepare(problem)
        for term in self.terms:
            if term + SUFFIX in problem.parts_of_terms:
                raise ValueError(f"`residuals` must have no term {term + SUFFIX!r} with GPINN, which adds it, got one.")
            problem = problem.with_term(term + SUFFIX, self.part)
        return problem

    def place(self, points: ByPart) -> dict[str, Tensor]:
        """The points, with those of the part requiring grad."""
        return self.with_gradient(points)

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        """The residuals, followed by their weighted derivatives, each (b, k d)."""
        x = points[self.part]
        rows = dict(residuals)
        for term in self.terms:
            columns = residuals[term].reshape(len(x), -1).unbind(dim=1)
            slopes = torch.cat([by_points(column, x, graph=True) for column in columns], dim=1)
            rows[term + SUFFIX] = slopes * (self.weight * x.shape[1]) ** 0.5  # the mean over d becomes a sum
        return rows
