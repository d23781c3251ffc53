"""Problems, steps and points for tests of variants."""

from collections.abc import Callable

import torch
from torch import Tensor

from lightning_autobalance.points import Domain, Rectangle
from lightning_autobalance.variants import ProblemInfo, StepContext
from lightning_autobalance.variants.base import ByPart

UNIT = Rectangle((0.0, 1.0), (0.0, 1.0))


def problem(domain: Domain = UNIT, steps: int | None = 100, resample_every: int = 0, **parts: str) -> ProblemInfo:
    """A problem with a term ``pde`` inside and ``boundary`` on the edge."""
    parts_of_terms = {term: (part,) for term, part in {"pde": "interior", "boundary": "boundary", **parts}.items()}
    return ProblemInfo(domain, parts_of_terms, steps, resample_every)


def context(step: int, residuals: Callable[[ByPart], dict[str, Tensor]] | None = None) -> StepContext:
    """A step; by default a variant that evaluates residuals elsewhere fails the test."""

    def unexpected(points: ByPart) -> dict[str, Tensor]:
        raise AssertionError("this variant must not ask for residuals elsewhere")

    return StepContext(step, residuals if residuals is not None else unexpected)


def of(*values: float) -> Tensor:
    """A vector in float64."""
    return torch.tensor(values, dtype=torch.float64)


def line(*x: float) -> dict[str, Tensor]:
    """Points inside at these x and y = 0, and one on the edge."""
    inside = torch.stack([of(*x), torch.zeros(len(x), dtype=torch.float64)], dim=1)
    return {"interior": inside, "boundary": torch.zeros(1, 2, dtype=torch.float64)}
