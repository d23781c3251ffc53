"""Weights from gradient magnitudes, relative to a reference term."""

from typing import final

import torch

from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.balancing.weightings.base import PeriodicWeighting
from lightning_autobalance.shapes import Losses


@final
class LearningRateAnnealing(PeriodicWeighting):
    r"""Learning rate annealing (LRA): scales every gradient to the magnitude of the reference term's.

    .. math:: \hat w_i = \frac{\max |J_r|}{\operatorname{mean} |J_i|}, \quad w_i \leftarrow 0.9 w_i + 0.1 \hat w_i,
        \quad w_r = 1

    Args:
        reference: Name of the reference term r; by default the first, which is the PDE in the built-in problems.
        interval: Steps between updates, >= 1; the first is at step 0.
        decay: Factor of the old weights in the average, 0.9 above, in [0, 1).

    Raises:
        ValueError: If a number is out of its range or, in the first step, if there is no such term.

    Reference:
        Wang, Teng, Perdikaris, 2021, "Understanding and mitigating gradient flow pathologies in PINNs", algorithm 1.

    Note:
        The paper prints the average with the two factors exchanged; the authors' code is as here. Their code divides by
        the gradient of the weighted loss and uses weight matrices only; here it is the gradient of the unweighted loss
        with respect to all parameters. The weight of a term whose gradient is zero would be infinite, and keeps its
        value.
    """

    def __init__(self, reference: str | None = None, interval: int = 10, decay: float = 0.9) -> None:
        super().__init__(interval, decay)
        self.reference = reference

    def propose(self, view: StepView) -> Losses:
        """Largest gradient component of the reference over each term's mean component."""
        row = self._reference_row(view.terms)
        magnitudes = view.jacobian.abs().to(torch.float64)
        weights = magnitudes[row].max() / magnitudes.mean(dim=1)
        weights[row] = 1.0
        return weights

    def _reference_row(self, terms: tuple[str, ...]) -> int:
        if self.reference is None:
            return 0
        if self.reference not in terms:
            raise ValueError(f"`reference` must be one of the loss terms {list(terms)}, got {self.reference!r}.")
        return terms.index(self.reference)
