"""Fresh points of a part, and the residuals there."""

import numpy as np
import torch
from torch import Tensor

from lightning_autobalance.points import Domain, Uniform, sample
from lightning_autobalance.shapes import Points
from lightning_autobalance.variants.base import ByPart, StepContext

FIRST_DRAW = 2**31 + 1  # out of reach of the data's draws


class Candidates:
    """Uniform points that may become collocation points; a function of the seed and the step alone.

    Args:
        seed: Of the draws.
        part: Of the domain.
    """

    def __init__(self, seed: int, part: str) -> None:
        self.seed = seed
        self.part = part

    def points(self, domain: Domain, count: int, step: int, like: Tensor) -> Points:
        """Draw some.

        Args:
            domain: Where.
            count: How many.
            step: Number of optimizer steps done.
            like: Their dtype and device.

        Returns:
            (count, d).
        """
        drawn = sample(domain, self.part, count, Uniform(), self.seed, FIRST_DRAW + step)
        return torch.as_tensor(drawn, dtype=like.dtype).to(like.device)

    def squares(self, context: StepContext, points: ByPart, here: Points, terms: tuple[str, ...]) -> Tensor:
        """Squared residuals at other points of the part, summed over the values of a residual, (t, c).

        Args:
            context: What is known of the step.
            points: Those of all parts.
            here: The other points, (c, d).
            terms: Names of the loss terms.
        """
        residuals = context.residuals({**points, self.part: here})
        return torch.stack([residuals[term].detach().reshape(len(here), -1).square().sum(dim=1) for term in terms])

    def choose(self, scores: Tensor, count: int, step: int) -> Tensor:
        """Draw without replacement, with probability in proportion to a score.

        Args:
            scores: Not negative, (c,).
            count: How many.
            step: Number of optimizer steps done.

        Returns:
            Their numbers, (count,).
        """
        p = scores.cpu().double().numpy()
        total = p.sum()
        if not np.isfinite(total) or (p > 0).sum() < count:
            p, total = np.ones_like(p), float(len(p))  # too few points differ from zero: any will do
        rng = np.random.Generator(np.random.PCG64([self.seed, FIRST_DRAW + step]))
        return torch.as_tensor(rng.choice(len(p), size=count, replace=False, p=p / total), device=scores.device)
