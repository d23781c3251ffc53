"""Aligned-MTL: the principal components of the gradients made equal."""

from typing import Literal, final

import torch

from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class AlignedMTL(GramianAggregator):
    r"""Aligned-MTL: all singular values of J are made equal, then the rows are summed.

    .. math:: g = J^T B \, 1, \quad B = \sigma V \Lambda^{-1/2} V^T, \quad J J^T = V \Lambda V^T

    Args:
        scale: What the singular values become: the least of them ("min"), their "median", or their root mean square
            ("rmse").
        mean: Divide by the number of terms, as TorchJD does.

    Reference:
        Senushkin et al., Independent Component Alignment for Multi-Task Learning, CVPR 2023.

    Note:
        Eigenvalues below the largest times m times float64's rounding are left out; TorchJD measures them by the
        default type's rounding, which drops gradients that differ by a few thousand.
    """

    def __init__(self, scale: Literal["min", "median", "rmse"] = "min", mean: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.mean = mean

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of the aligned rows."""
        values, vectors = torch.linalg.eigh(gram)
        kept = values > values.max() * len(gram) * torch.finfo(gram.dtype).eps
        values, vectors = values[kept], vectors[:, kept]
        squared = {"min": values.min(), "median": values.median(), "rmse": values.mean()}[self.scale]
        start = torch.ones(len(gram), dtype=gram.dtype) / (len(gram) if self.mean else 1)
        found: Losses = squared.sqrt() * (vectors / values.sqrt()) @ (vectors.T @ start)
        return found
