"""What every variant is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn


class Variant(nn.Module, ABC):
    """Turns the residuals of a PDE's terms into losses; knows neither the PDE nor the optimizer.

    A variant is a module, so that what it remembers lies in buffers and is part of every checkpoint.
    """

    @abstractmethod
    def forward(self, points: Mapping[str, Tensor], residuals: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give each term its loss.

        Args:
            points: The collocation points by part, each (b, d).
            residuals: The residual at each point by term, each (b,) or (b, k).

        Returns:
            One scalar loss by term, in the order of ``residuals``.
        """
