"""Aligned-MTL: equalize the singular values of the Jacobian."""

from typing import Literal, final

import torch

from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class AlignedMTL(GramianAggregator):
    r"""Aligned-MTL: set all singular values of J to one number, then sum the rows.

    .. math:: g = J^T B \, 1, \quad B = \sigma V \Lambda^{-1/2} V^T, \quad J J^T = V \Lambda V^T

    Args:
        scale: The common singular value: the least of them ("min"), their "median", or their root mean square
            ("rmse").
        mean: Average the rows instead of summing them, as TorchJD does.

    Reference:
        Senushkin et al., Independent Component Alignment for Multi-Task Learning, CVPR 2023.

    Note:
        Eigenvalues below the largest times m times float64's machine epsilon are dropped. TorchJD uses the epsilon of
        the default type, which drops gradients whose norms differ by a few thousand.
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
