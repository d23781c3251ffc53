"""What the logged Gram matrices of a run say together."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.shapes import Gramian


class BalanceStatistics:
    r"""Running means over Gram matrices K (m, m), kept on their device: nothing is read until somebody asks.

    From each K with norms :math:`n_i = \sqrt{K_{ii}}`: the mean of :math:`\log n_i`, the mean cosine
    :math:`K_{ij} / (n_i n_j)`, and the share of matrices with a negative one.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: Tensor | None = None  # (3, m, m): log norms on the diagonal, cosines, negative cosines

    def add(self, gram: Gramian) -> None:
        """Look at one more matrix.

        Args:
            gram: Inner products of one vector per term, (m, m).
        """
        norms = gram.diagonal().clamp(min=torch.finfo(gram.dtype).tiny).sqrt()
        cosines = gram / torch.outer(norms, norms)
        found = torch.stack([norms.log().diag(), cosines, (cosines < 0).to(gram.dtype)])
        self._sums = found if self._sums is None else self._sums.to(found.device) + found
        self.count += 1

    @property
    def norms(self) -> list[float]:
        """Geometric mean of each vector's norm, m numbers."""
        values: list[float] = self._means()[0].diagonal().exp().tolist()
        return values

    @property
    def cosines(self) -> list[list[float]]:
        """Mean cosine of each pair, m rows of m numbers."""
        values: list[list[float]] = self._means()[1].tolist()
        return values

    @property
    def conflicts(self) -> list[list[float]]:
        """Share of matrices in which a pair's cosine was negative, m rows of m numbers."""
        values: list[list[float]] = self._means()[2].tolist()
        return values

    def _means(self) -> Tensor:
        if self._sums is None:
            raise RuntimeError("`BalanceStatistics` must have seen a matrix before it is read, got none.")
        return self._sums / self.count

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"count": self.count, "sums": None if self._sums is None else self._sums.cpu()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.count, self._sums = state_dict["count"], state_dict["sums"]
