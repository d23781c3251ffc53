"""Candidate points for resampling, and the residuals there."""

import numpy as np
import torch
from torch import Tensor

from lightning_autobalance.points import Domain, Uniform, most_points, sample
from lightning_autobalance.shapes import Points
from lightning_autobalance.variants.base import ByPart, StepContext

FIRST_DRAW = 2**31 + 1  # the data's draws stay below


class Candidates:
    """Uniform points of one part that may become collocation points.

    What is drawn depends on the seed and the step only, so that a resumed run draws the same.

    Args:
        seed: Seed of the random numbers, >= 0.
        part: Name of the part of the domain.
    """

    def __init__(self, seed: int, part: str) -> None:
        self.seed = seed
        self.part = part

    def points(self, domain: Domain, count: int, step: int, like: Tensor) -> Points:
        """Draw ``count`` candidates, (count, d); all points of a cloud that has fewer.

        Args:
            domain: The domain that has the part.
            count: Number of candidates.
            step: Number of optimizer steps taken so far.
            like: A tensor with the dtype and the device wanted.
        """
        count = int(min(count, most_points(domain, self.part)))
        drawn = sample(domain, self.part, count, Uniform(), self.seed, FIRST_DRAW + step)
        return torch.as_tensor(drawn, dtype=like.dtype).to(like.device)

    def squares(self, context: StepContext, points: ByPart, candidates: Points, terms: tuple[str, ...]) -> Tensor:
        """Squared norm of each term's residual at each candidate, (t, c).

        Args:
            context: Evaluates the residuals.
            points: Points of all parts; those of this part are replaced by the candidates.
            candidates: (c, d).
            terms: Names of t loss terms with one row per point of the part.
        """
        residuals = context.residuals({**points, self.part: candidates})
        count = len(candidates)
        return torch.stack([residuals[term].detach().reshape(count, -1).square().sum(dim=1) for term in terms])

    def choose(self, scores: Tensor, count: int, step: int) -> Tensor:
        """Draw candidates without replacement, with probability proportional to their score.

        Where the scores are not finite, or fewer than ``count`` are positive, the draw is uniform.

        Args:
            scores: One per candidate, >= 0, (c,).
            count: Number of candidates to draw, at most c.
            step: Number of optimizer steps taken so far.

        Returns:
            Their indices, (count,).
        """
        p = scores.cpu().double().numpy()
        total = p.sum()
        if not np.isfinite(total) or (p > 0).sum() < count:
            p, total = np.ones_like(p), float(len(p))
        rng = np.random.Generator(np.random.PCG64([self.seed, FIRST_DRAW + step]))
        return torch.as_tensor(rng.choice(len(p), size=count, replace=False, p=p / total), device=scores.device)
