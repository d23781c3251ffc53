"""Aggregators: the Jacobian of the loss terms, (m, n), in; one gradient, (n,), out."""

from lightning_autobalance.balancing.aggregators.base import Aggregator, GramianAggregator

__all__ = ["Aggregator", "GramianAggregator"]
