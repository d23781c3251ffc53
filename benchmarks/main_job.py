"""`python -m benchmarks main_job`: AutoAdamW and plain AdamW on the paper's problems, three seeds."""

import argparse
from pathlib import Path

from benchmarks.sweeps import Run, options, sweep_by

SEEDS = (0, 1, 2)
METHODS = ("auto_adamw", "adamw")
PROBLEMS = {  # name in the results -> configuration and options
    "helmholtz_2d": ("configs/helmholtz_2d.yaml", ()),
    "reaction_diffusion_1d": ("configs/reaction_diffusion_1d.yaml", ()),
    "poisson_inverse_2d": ("configs/poisson_inverse_2d.yaml", ()),
    "poisson_inverse_2d_noise_0.1": ("configs/poisson_inverse_2d.yaml", ("--model.noise_std=0.1",)),
}
OUT = Path("results/main_job.jsonl")


def runs(iterations: int = 30_000) -> list[Run]:
    """Every run; the paper's literal noise last, as the least informative.

    Args:
        iterations: Optimizer steps of each run.
    """
    wanted = [
        Run(problem, method, seed, iterations, (config, f"configs/method/{method}.yaml"), extra)
        for seed in SEEDS
        for problem, (config, extra) in PROBLEMS.items()
        for method in METHODS
    ]
    return sorted(wanted, key=lambda run: "noise" in run.problem)


def main(args: list[str]) -> None:
    """Train what is missing in the results file."""
    parser = options(argparse.ArgumentParser(prog="python -m benchmarks main_job", description=__doc__))
    sweep_by(parser.parse_args(args), runs(), OUT)
