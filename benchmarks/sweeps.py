"""What the benchmarks use of :mod:`lightning_autobalance.sweeps`, in one place."""

from lightning_autobalance.sweeps.lines import read
from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.sweep import options, sweep_by

__all__ = ["Run", "options", "read", "sweep_by"]
