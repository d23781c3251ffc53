"""`python -m benchmarks table2`: the variants of the paper's Table 2, with and without AutoAdamW.

`--iterations 2000` for a short look at each, beside the whole runs in the same file.
"""

import argparse
from pathlib import Path

from benchmarks.main_job import METHODS, PROBLEMS, SEEDS
from benchmarks.sweeps import Run, options, sweep_by

PAPER = ("rba", "cwp", "gpinn", "ropinn", "copinn", "df_pinn")
OTHERS = ("sa_pinn", "causal", "growing_time", "rad", "rar")
NEED_TIME = ("causal", "growing_time")
WEIGHT = "--model.variant.init_args.weight="
OPTIONS = {  # (variant, problem) -> what the variant's configuration leaves to the problem
    ("gpinn", "helmholtz_2d"): (f"{WEIGHT}1e-4",),
    ("gpinn", "poisson_inverse_2d"): (f"{WEIGHT}0.01",),
}
NETS = {  # DF-PINN is a network, which depends on the problem
    "helmholtz_2d": "configs/net/df_pinn.yaml",
    "reaction_diffusion_1d": "configs/net/df_pinn_reaction_diffusion.yaml",
    "poisson_inverse_2d": "configs/net/df_pinn_inverse.yaml",
}
WITHOUT_TIME = ("helmholtz_2d", "poisson_inverse_2d")
OUT = Path("results/table2.jsonl")


def runs(iterations: int = 30_000, variants: tuple[str, ...] = PAPER, seeds: tuple[int, ...] = SEEDS) -> list[Run]:
    """Every run, the first seed first.

    Args:
        iterations: Optimizer steps of each run.
        variants: Stems of files in ``configs/variant``.
        seeds: Seeds of weights, points and measurements.
    """
    return [
        Run(
            problem,
            method,
            seed,
            iterations,
            (config, f"configs/method/{method}.yaml", config_of(variant, problem)),
            OPTIONS.get((variant, problem), ()),
            variant,
        )
        for seed in seeds
        for variant in variants
        for problem, (config, extra) in PROBLEMS.items()
        if not extra and not (variant in NEED_TIME and problem in WITHOUT_TIME)
        for method in METHODS
    ]


def config_of(variant: str, problem: str) -> str:
    """The configuration of a variant, or of a network.

    Args:
        variant: Name in the results, such as ``rba``.
    """
    return NETS[problem] if variant == "df_pinn" else f"configs/variant/{variant}.yaml"


def main(args: list[str]) -> None:
    """Train what is missing in the results file."""
    parser = options(argparse.ArgumentParser(prog="python -m benchmarks table2", description=__doc__))
    parser.add_argument("--iterations", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--variants", nargs="+", default=PAPER, help=f"more: {', '.join(OTHERS)}")
    arguments = parser.parse_args(args)
    wanted = runs(arguments.iterations, tuple(arguments.variants), tuple(arguments.seeds))
    sweep_by(arguments, wanted, OUT)
