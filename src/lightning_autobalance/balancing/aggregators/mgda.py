"""MGDA: the min-norm point of the convex hull."""

from typing import Literal, final

import torch

from lightning_autobalance.balancing.aggregators.algebra import cosines_and_norms, min_norm_weights
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses
from lightning_autobalance.utils.arguments import check_interval


@final
class MGDA(GramianAggregator):
    r"""Multiple gradient descent: the convex combination of the gradients with the least norm.

    .. math:: g = \sum_i a_i J_i, \quad a = \arg\min_{a \ge 0, \sum a = 1} \Bigl\| \sum_i a_i J_i \Bigr\|^2

    Args:
        normalize: "none", or "l2": solve for the unit gradients, and apply the weights to the raw ones.
        clamp: Smallest weight of either of two terms, in [0, 0.5); 0 is exact, the authors' code has 0.001.

    Raises:
        ValueError: If ``clamp`` is not in [0, 0.5).

    Reference:
        Désidéri, C. R. Math. 350, 2012; Sener and Koltun, NeurIPS 2018.

    Note:
        Solved exactly: in closed form for two terms, by enumeration of the simplex's faces for up to six, by
        non-negative least squares beyond. TorchJD iterates (Frank-Wolfe). The authors' normalizations by losses
        ("loss", "loss+") are omitted.
    """

    def __init__(self, normalize: Literal["none", "l2"] = "none", clamp: float = 0.0) -> None:
        super().__init__()
        check_interval("clamp", clamp, 0, 0.5)
        self.normalize = normalize
        self.clamp = clamp

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of least norm."""
        weights = min_norm_weights(cosines_and_norms(gram)[0] if self.normalize == "l2" else gram)
        return torch.clamp(weights, self.clamp, 1 - self.clamp) if len(weights) == 2 else weights
