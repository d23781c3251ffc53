"""Weights from the sizes of gradients, relative to one term's."""

from typing import final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import PeriodicWeighting
from lightning_autobalance.shapes import Losses


@final
class LearningRateAnnealing(PeriodicWeighting):
    r"""Learning rate annealing (LRA): every gradient about as large as that of the reference term.

    .. math:: \hat w_i = \frac{\max |J_r|}{\operatorname{mean} |J_i|}, \quad w_i \leftarrow 0.9 w_i + 0.1 \hat w_i,
        \quad w_r = 1

    Args:
        reference: Name of the reference term r, by default the first, which is the equation in the ready problems.
        interval: Steps from one update to the next; the first is at step 0.
        decay: How much of the old weights an update keeps.

    Raises:
        ValueError: If a number is out of its range, or, in the first step, there is no such term.

    Reference:
        Wang, Teng, Perdikaris, 2021, "Understanding and mitigating gradient flow pathologies in PINNs", algorithm 1.

    Note:
        The paper prints the average with the two factors the other way round; the authors' code is as here. Their code
        divides by the gradient of the weighted loss and looks at weight matrices only; here it is that of the loss
        itself, by all parameters. Where a gradient is zero its weight would not be finite, and stays as it was.
    """

    def __init__(self, reference: str | None = None, interval: int = 10, decay: float = 0.9) -> None:
        super().__init__(interval, decay)
        self.reference = reference

    def propose(self, view: StepView) -> Losses:
        """Largest entry of the reference over mean entry of each."""
        row = self._row(view.terms)
        sizes = view.jacobian.abs().to(torch.float64)
        wanted = sizes[row].max() / sizes.mean(dim=1)
        wanted[row] = 1.0
        return wanted

    def _row(self, terms: tuple[str, ...]) -> int:
        if self.reference is None:
            return 0
        if self.reference not in terms:
            raise ValueError(f"`reference` must be one of the loss terms {list(terms)}, got {self.reference!r}.")
        return terms.index(self.reference)
