"""What the benchmarks use of :mod:`lightning_autobalance.sweeps`, in one place."""

from argparse import Namespace
from pathlib import Path

from lightning_autobalance.cli import run_cli
from lightning_autobalance.sweeps import sweep
from lightning_autobalance.sweeps.results_file import read
from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.sweep import options

__all__ = ["Run", "options", "read", "sweep_by"]


def sweep_by(arguments: Namespace, runs: list[Run], out: Path) -> None:
    """Train the runs that a results file lacks.

    Args:
        arguments: Parsed by a parser of :func:`options`.
        runs: All runs of the sweep, the most important first.
        out: The results file, unless ``--out`` names one.
    """
    sweep.sweep_by(arguments, runs, out, run_cli)
