"""Means over the logged Gram matrices of a run."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.shapes import Gramian


class BalanceStatistics:
    r"""Running means over Gram matrices K, (m, m), kept on their device: the host reads them only at the end of a run.

    With the norms :math:`n_i = \sqrt{K_{ii}}`, these are the mean of :math:`\log n_i`, the mean of the cosine
    :math:`K_{ij} / (n_i n_j)`, and the fraction of matrices whose cosine is negative.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: Tensor | None = None  # (3, m, m): log norms on the diagonal, cosines, counts of negative cosines

    def add(self, gram: Gramian) -> None:
        """Add one matrix to the means.

        Args:
            gram: Inner products of one vector per term, (m, m).
        """
        norms = gram.diagonal().clamp(min=torch.finfo(gram.dtype).tiny).sqrt()
        cosines = gram / torch.outer(norms, norms)
        addend = torch.stack([norms.log().diag(), cosines, (cosines < 0).to(gram.dtype)])
        self._sums = addend if self._sums is None else self._sums.to(addend.device) + addend
        self.count += 1

    @property
    def norms(self) -> list[float]:
        """Geometric mean of each vector's norm: m numbers."""
        values: list[float] = self._means()[0].diagonal().exp().tolist()
        return values

    @property
    def cosines(self) -> list[list[float]]:
        """Mean cosine of each pair: m rows of m numbers."""
        values: list[list[float]] = self._means()[1].tolist()
        return values

    @property
    def conflicts(self) -> list[list[float]]:
        """Fraction of matrices in which the cosine of a pair is negative: m rows of m numbers."""
        values: list[list[float]] = self._means()[2].tolist()
        return values

    def _means(self) -> Tensor:
        if self._sums is None:
            raise RuntimeError("`BalanceStatistics` must have seen a matrix before it is read, got none.")
        return self._sums / self.count

    def state_dict(self) -> dict[str, Any]:
        """The count and the sums, for the checkpoint."""
        return {"count": self.count, "sums": None if self._sums is None else self._sums.cpu()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the count and the sums of a checkpoint."""
        self.count, self._sums = state_dict["count"], state_dict["sums"]
