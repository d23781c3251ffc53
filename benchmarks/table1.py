"""`python -m benchmarks table1`: the balancing methods of the paper's Table 1, three seeds.

Its rows EW and AutoBalance are `adamw` and `auto_adamw` of `main_job`.
"""

import argparse
from pathlib import Path

from benchmarks.main_job import PROBLEMS, SEEDS
from benchmarks.sweeps import Run, options, sweep_by

METHODS = ("ntk", "dwa", "pc_grad", "imtl_g", "config", "mgda")
OUT = Path("results/table1.jsonl")


def runs(iterations: int = 30_000) -> list[Run]:
    """Every run; the paper's literal noise is left to the main job.

    Args:
        iterations: Optimizer steps of each run.
    """
    return [
        Run(problem, method, seed, iterations, (config, f"configs/method/{method}.yaml"), extra)
        for seed in SEEDS
        for problem, (config, extra) in PROBLEMS.items()
        if "noise" not in problem
        for method in METHODS
    ]


def main(args: list[str]) -> None:
    """Train what is missing in the results file."""
    parser = options(argparse.ArgumentParser(prog="python -m benchmarks table1", description=__doc__))
    sweep_by(parser.parse_args(args), runs(), OUT)
