"""Nash-MTL: the Nash bargaining solution of the terms."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import cosines_and_norms
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses

MAX_STEPS = 100
MAX_WEIGHT = 1e7  # of a unit gradient; beyond it no direction improves all terms


@final
class NashMTL(GramianAggregator):
    r"""Nash bargaining: the direction that maximizes the product of the terms' improvements.

    .. math:: g = \sum_i a_i J_i, \quad K a = 1 / a, \quad a > 0

    Its norm is always :math:`\sqrt m`. If no direction improves all terms (opposite gradients), it is zero.

    Args:
        max_norm: Largest norm of the result, 1 in the authors' code; None does not limit it.

    Raises:
        ValueError: If ``max_norm`` is not positive.

    Reference:
        Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022.

    Note:
        Newton's method on the convex function whose minimizer this is; TorchJD and the authors solve a sequence of cone
        programs.
    """

    def __init__(self, max_norm: float | None = None) -> None:
        super().__init__()
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"`max_norm` must be > 0, got {max_norm}. Leave it out not to clip.")
        self.max_norm = max_norm

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of the bargaining solution."""
        cosines, norms = cosines_and_norms(gram)
        weights = _bargain(cosines) / norms
        norm = float(torch.sqrt((weights @ gram @ weights).clamp(min=0.0)))
        factor = self.max_norm / norm if self.max_norm is not None and norm > self.max_norm else 1.0
        return factor * weights


def _bargain(cosines: Gramian) -> Losses:
    """Minimize b U b / 2 - sum log b by damped Newton steps; zero if there is no minimum."""
    b = torch.ones(len(cosines), dtype=cosines.dtype)
    for _ in range(MAX_STEPS):
        if float(b.max()) > MAX_WEIGHT:
            return torch.zeros_like(b)
        slope = cosines @ b - 1 / b
        step = torch.linalg.solve(cosines + torch.diag(b**-2), slope)
        decrement = float(torch.sqrt((slope @ step).clamp(min=0.0)))
        b = b - step / (1 + decrement if decrement > 0.25 else 1.0)  # keeps b > 0: the function is self-concordant
        if decrement < 1e-13 * len(b):
            break
    return b if float((cosines @ b * b - 1).abs().max()) < 1e-6 else torch.zeros_like(b)
