"""Pre-combine: weightings turn losses into weights, aggregators turn the terms' gradients into one gradient."""

from lightning_autobalance.balancing.aggregators import Aggregator, EqualWeights

__all__ = ["Aggregator", "EqualWeights"]
