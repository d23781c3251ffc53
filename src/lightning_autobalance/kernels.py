"""Diagonals of the neural tangent kernels of a module's residuals."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from lightning_autobalance.shapes import Losses

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule


def kernel_diagonals(module: "PINNModule", points: Mapping[str, Tensor]) -> Losses:
    r"""Mean diagonal of each residual's kernel, :math:`\frac{1}{bk} \sum_{jl} \|\partial r_{i,jl} / \partial w\|^2`.

    Args:
        module: Its residuals.
        points: The collocation points by part, each (b, d).

    Returns:
        One number per term, (m,).
    """
    raise NotImplementedError
