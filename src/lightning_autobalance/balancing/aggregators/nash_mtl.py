"""Nash-MTL: the bargain of the terms."""

from typing import final

import torch

from lightning_autobalance.balancing.aggregators.algebra import unit
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses

STEPS = 100
LIMIT = 1e7  # of the weights of unit gradients: beyond, the terms cannot agree on a direction


@final
class NashMTL(GramianAggregator):
    r"""Nash bargaining: the direction that maximises the product of the terms' gains.

    .. math:: g = \sum_i a_i J_i, \quad K a = 1 / a, \quad a > 0

    Its length is always :math:`\sqrt m`. Where no direction gains for all (opposite gradients), it is zero.

    Args:
        max_norm: Scale the gradient down to this length; the authors' code has 1. None leaves it.

    Raises:
        ValueError: If ``max_norm`` is not positive.

    Reference:
        Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022.

    Note:
        Newton's method on the convex function whose stationary point this is; TorchJD and the authors solve a
        sequence of cone programs.
    """

    def __init__(self, max_norm: float | None = None) -> None:
        super().__init__()
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"`max_norm` must be > 0, got {max_norm}. Leave it out not to clip.")
        self.max_norm = max_norm

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of the bargain."""
        cosines, norms = unit(gram)
        found = _bargain(cosines) / norms
        length = float(torch.sqrt((found @ gram @ found).clamp(min=0.0)))
        shrink = self.max_norm / length if self.max_norm is not None and length > self.max_norm else 1.0
        return shrink * found


def _bargain(cosines: Gramian) -> Losses:
    """Minimise b U b / 2 - sum log b by damped Newton steps; zero where there is no minimum."""
    b = torch.ones(len(cosines), dtype=cosines.dtype)
    for _ in range(STEPS):
        if float(b.max()) > LIMIT:
            return torch.zeros_like(b)
        slope = cosines @ b - 1 / b
        step = torch.linalg.solve(cosines + torch.diag(b**-2), slope)
        decrement = float(torch.sqrt((slope @ step).clamp(min=0.0)))
        b = b - step / (1 + decrement if decrement > 0.25 else 1.0)  # self-concordant: stays positive
        if decrement < 1e-13 * len(b):
            break
    return b if float((cosines @ b * b - 1).abs().max()) < 1e-6 else torch.zeros_like(b)
