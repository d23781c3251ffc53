"""An unknown number of an equation that stays in a range."""

from math import isfinite
from typing import final

import torch
from torch import Tensor, nn

from lightning_autobalance.shapes import Scalar
from lightning_autobalance.utils.arguments import check_interval
from lightning_autobalance.utils.plain import plain


@final
class Bounded(nn.Module):
    r"""A positive number, or one in a range, to be learned: ``self.k = Bounded(0.5)``, and ``self.k()`` in residuals.

    Above ``low`` it is :math:`k = l + e^w`, so that a step changes it by a share of itself, whatever its unit; between
    two ends it is :math:`k = l + (h - l) / (1 + e^{-w})`.

    Args:
        initial: The first guess.
        low: It stays above.
        high: It stays below; infinity for no end.

    Raises:
        ValueError: If ``low`` is not finite, or the guess not within the range.
    """

    def __init__(self, initial: float, low: float = 0.0, high: float = float("inf")) -> None:
        super().__init__()
        initial, low, high = plain((initial, low, high))
        if not isfinite(low) or not low < high:
            raise ValueError(f"`low` must be finite and below `high`, got {low} and {high}.")
        self.low, self.high = float(low), float(high)
        self.raw = nn.Parameter(self._inverse(initial).to(torch.get_default_dtype()))

    def forward(self) -> Scalar:
        """The number, ()."""
        if isfinite(self.high):
            return self.low + (self.high - self.low) * torch.sigmoid(self.raw)
        return self.low + torch.exp(self.raw)

    def fill_(self, value: float) -> None:
        """Give it a value.

        Raises:
            ValueError: If that is not within the range.
        """
        with torch.no_grad():
            self.raw.copy_(self._inverse(value))

    def _inverse(self, value: float) -> Tensor:
        check_interval("initial", value, self.low, self.high, ends="()")
        number = torch.tensor(float(value), dtype=torch.float64)
        if isfinite(self.high):
            return torch.logit((number - self.low) / (self.high - self.low))
        return torch.log(number - self.low)

    def extra_repr(self) -> str:
        """The range."""
        return f"low={self.low:g}, high={self.high:g}"
