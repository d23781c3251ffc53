"""MGDA: the shortest gradient in the convex hull."""

from typing import Literal, final

import torch

from lightning_autobalance.balancing.aggregators.algebra import least_norm, unit
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class MGDA(GramianAggregator):
    r"""Multiple gradient descent: the convex combination of the gradients that has the least norm.

    .. math:: g = \sum_i a_i J_i, \quad a = \arg\min_{a \ge 0, \sum a = 1} \Bigl\| \sum_i a_i J_i \Bigr\|^2

    Args:
        normalize: "none", or "l2": find the combination of the unit gradients, and apply it to the raw ones.
        clamp: Least weight of a term where there are two; the authors' code has 0.001, exact is 0.

    Raises:
        ValueError: If ``clamp`` is not in [0, 0.5).

    Reference:
        Désidéri, C. R. Math. 350, 2012; Sener and Koltun, NeurIPS 2018.

    Note:
        Solved exactly: in closed form for two terms, face by face for up to six. TorchJD iterates (Frank-Wolfe). The
        normalizations by losses ("loss", "loss+") of the authors' code are left out.
    """

    def __init__(self, normalize: Literal["none", "l2"] = "none", clamp: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= clamp < 0.5:
            raise ValueError(f"`clamp` must be in [0, 0.5), got {clamp}.")
        self.normalize = normalize
        self.clamp = clamp

    def weigh(self, gram: Gramian) -> Losses:
        """The combination of least norm."""
        found = least_norm(unit(gram)[0] if self.normalize == "l2" else gram)
        return torch.clamp(found, self.clamp, 1 - self.clamp) if len(found) == 2 else found
