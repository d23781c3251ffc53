"""Several runs that differ in their seed, trained at once: each keeps its Trainer, the gradients are computed together.

A run is what it would be alone, in a thread of its own. One thread runs at a time, and a training step waits twice: for
the residuals of all runs, and for the gradients of all runs.
"""

from lightning_autobalance.sweeps.ensemble.seeds import SeedEnsemble, SeedRun

__all__ = ["SeedEnsemble", "SeedRun"]
