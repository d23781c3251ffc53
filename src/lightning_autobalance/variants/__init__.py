"""Variants: they turn points and residuals into one loss per term."""

from lightning_autobalance.variants.base import Variant
from lightning_autobalance.variants.mean_squares import MeanSquares

__all__ = ["Variant", "MeanSquares"]
