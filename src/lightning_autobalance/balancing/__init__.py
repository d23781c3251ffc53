"""Pre-combine: weightings turn losses into weights, aggregators turn the terms' gradients into one gradient."""

from lightning_autobalance.balancing.aggregators import *  # noqa: F403
from lightning_autobalance.balancing.aggregators import __all__ as _aggregators
from lightning_autobalance.balancing.base import Balancer, StepView
from lightning_autobalance.balancing.weightings import *  # noqa: F403
from lightning_autobalance.balancing.weightings import __all__ as _weightings

__all__ = ["Balancer", "StepView", *_aggregators, *_weightings]
