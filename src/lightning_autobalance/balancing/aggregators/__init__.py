"""Aggregators: the Jacobian of the loss terms, (m, n), in; one gradient, (n,), out."""

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.balancing.aggregators.equal_weights import EqualWeights

__all__ = ["Aggregator", "EqualWeights"]
