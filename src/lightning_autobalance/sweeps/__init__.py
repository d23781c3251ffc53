"""Many runs: lists of configurations, methods and seeds, trained on several processes or on a cluster."""

from lightning_autobalance.sweeps.command import main

__all__ = ["main"]
