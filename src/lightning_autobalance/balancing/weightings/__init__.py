"""Weightings: losses and what they ask for in; one weight per loss term, (m,), out."""

from lightning_autobalance.balancing.weightings.base import Weighting
from lightning_autobalance.balancing.weightings.equal_weights import EqualWeights

__all__ = ["Weighting", "EqualWeights"]
