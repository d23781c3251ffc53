"""The plain PINN."""

from typing import final

from lightning_autobalance.variants.base import Variant


@final
class MeanSquares(Variant):
    r"""The plain PINN: the loss of each term is the mean square of its residual.

    .. math:: L_i = \frac{1}{b k} \sum_{j=1}^{b} \sum_{l=1}^{k} r_{i,jl}^2

    Reference:
        The AutoBalance paper, equation 3; Raissi et al., 2019.
    """
