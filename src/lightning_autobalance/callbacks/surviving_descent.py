"""How much of what the terms' updates gain alone is left in their sum, and whether it has run out at the end."""

from collections import deque
from collections.abc import Mapping, Sequence
from math import exp, log
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.jacobian import gramian
from lightning_autobalance.optim import PostCombine
from lightning_autobalance.shapes import Gramian

ETA = "balance/surviving_descent"
CANCELLED = "balance/cancelled_share"
WINDOW = 20  # logged steps that count as the end of a run
ENOUGH = 10  # logged steps from which it is spoken of


def descent_numbers(optimizer: PostCombine, params: Sequence[Tensor], deltas: Sequence[Tensor]) -> dict[str, Tensor]:
    r"""What of the terms' updates survives their sum, from one Gram matrix of moments and updates, (2 m, 2 m).

    With the updates :math:`d_i`, weights of ``combine`` included, their sum :math:`d` and the first moments
    :math:`m_i`:

    .. math::
        \eta = \frac{\sum_i \langle m_i, d \rangle / |m_i|}{\sum_i \langle m_i, d_i \rangle / |m_i|}, \qquad
        1 - \frac{|d|}{\sum_i |d_i|}

    The first is 1 where the terms do not meet, as with one term, up to m where they agree, and near 0 where they stand
    still together, whatever their gradients.

    Args:
        optimizer: In its update hook.
        params: Those that move.
        deltas: The terms' updates, (m, \*shape) each.

    Returns:
        By key, (); without the first where the optimizer keeps no first moments.
    """
    weights = optimizer.combine_weights(params)
    updates = [d * c.to(d).view(-1, *[1] * (d.dim() - 1)) for d, c in zip(deltas, weights, strict=True)]
    moments = optimizer.first_moments(params)
    if moments is None:
        return {CANCELLED: cancelled_share(gramian(updates))}
    whole = gramian([torch.cat(pair) for pair in zip(moments, updates, strict=True)])
    m = len(whole) // 2
    norms = whole.diagonal()[:m].clamp(min=0.0).sqrt()
    found = {CANCELLED: cancelled_share(whole[m:, m:])}
    return {ETA: surviving_descent(norms, whole[:m, m:]), **found}


def surviving_descent(norms: Tensor, products: Tensor) -> Tensor:
    """Descent along the sum of the updates over that of each term along its own; 1 where there is none.

    Args:
        norms: Of the first moments, (m,); a term with 0 is left out.
        products: Of the moments, in rows, and the updates, (m, m).
    """
    rows = torch.where(norms[:, None] > 0, products / norms[:, None], 0.0)
    alone = rows.diagonal().sum()
    return torch.where(alone != 0, rows.sum() / alone, 1.0)


def cancelled_share(gram: Gramian) -> Tensor:
    """One minus the length of the sum of some vectors over the sum of their lengths; 0 where all are zero.

    Args:
        gram: Their inner products, (m, m).
    """
    lengths = gram.diagonal().clamp(min=0.0).sqrt().sum()
    return torch.where(lengths > 0, 1 - gram.sum().clamp(min=0.0).sqrt() / lengths, 0.0)


class EndOfDescent:
    """The surviving descent and the losses of the last logged steps, as the log has them."""

    def __init__(self) -> None:
        self._etas: deque[float] = deque(maxlen=WINDOW)
        self._losses: deque[float] = deque(maxlen=WINDOW)  # means of the logarithms

    def add(self, line: Mapping[str, float]) -> None:
        """Add a logged step; nothing if it has no surviving descent, as in a finish.

        Args:
            line: Its numbers by key.
        """
        losses = [value for name, value in line.items() if name.startswith("loss/") and value > 0]
        if ETA in line and losses:
            self._etas.append(line[ETA])
            self._losses.append(fmean(map(log, losses)))

    @property
    def eta(self) -> float | None:
        """Mean of the surviving descent; None if the steps are too few."""
        return fmean(self._etas) if len(self._etas) >= ENOUGH else None

    @property
    def loss_ratio(self) -> float:
        """Geometric mean of the losses in the second half of the steps over that in the first."""
        losses, half = list(self._losses), len(self._losses) // 2
        return exp(fmean(losses[half:]) - fmean(losses[:half]))

    @property
    def steps(self) -> int:
        """Number of logged steps."""
        return len(self._etas)

    def state_dict(self) -> dict[str, Any]:
        """Both histories, for the checkpoint."""
        return {"etas": list(self._etas), "losses": list(self._losses)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore them."""
        self._etas.extend(state_dict["etas"])
        self._losses.extend(state_dict["losses"])
