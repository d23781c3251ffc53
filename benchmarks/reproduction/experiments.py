"""The runs of each part of the paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import main_job, table1, table2
from benchmarks.sweeps import Run

FOLDER = Path("results")
HELMHOLTZ = "configs/helmholtz_2d.yaml"
ITERATIONS = 30_000
AUTO = "configs/method/auto_adamw.yaml"
OPTIMIZER = "--model.optimizer.init_args."
EXTRA: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {  # name -> title, configurations, options
    "multi_adam": ("MultiAdam", ("configs/method/multi_adam.yaml",), ()),
    "ada_task": ("AdaTask", ("configs/method/ada_task.yaml",), ()),
    "auto_adamw_mean": ("AutoAdamW, mean of the updates", (AUTO,), (f"{OPTIMIZER}combine=mean",)),
    "up_grad": ("UPGrad", ("configs/method/up_grad.yaml",), ()),
    "adamw_twice": ("AdamW, twice the learning rate", ("configs/method/adamw.yaml",), (f"{OPTIMIZER}lr=2e-2",)),
    "soap": ("SOAP, equal weights", ("configs/extra/soap.yaml",), ()),
    "auto_balance_soap": ("AutoBalance around SOAP", ("configs/method/auto_balance_soap.yaml",), ()),
}
ABLATION: dict[str, tuple[str, tuple[str, ...]]] = {  # name -> title, options beside those of AutoAdamW
    "auto_adamw_mean": ("mean of the updates", (f"{OPTIMIZER}combine=mean",)),
    "auto_adamw_betas_099": ("betas 0.99, 0.99", (f"{OPTIMIZER}betas=[0.99,0.99]",)),
    "auto_adamw_decay": ("weight decay 0.01", (f"{OPTIMIZER}weight_decay=0.01",)),
    "auto_adamw_eps_inside": ("eps inside the root", (f"{OPTIMIZER}eps=0.0", f"{OPTIMIZER}eps_root=1e-8")),
    "auto_adamw_redrawn": ("points re-drawn in every step", ("--data.resample_every=1",)),
    "auto_adamw_default_init": ("torch's initialisation", ("--model.net.init_args.init=default",)),
}
ABLATION_SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Experiment:
    """A list of runs and the file of their results.

    Args:
        runs: Makes the list of runs from the number of optimizer steps.
    """

    runs: Callable[[int], list[Run]]
    out: Path


def extra(iterations: int) -> list[Run]:
    """Rows beyond the paper's Table 1.

    Args:
        iterations: Optimizer steps of each run.
    """
    return [
        Run(problem, name, seed, iterations, (config, *configs), (*options, *more))
        for seed in main_job.SEEDS
        for problem, (config, options) in main_job.PROBLEMS.items()
        if not options
        for name, (_, configs, more) in EXTRA.items()
    ]


def ablation(iterations: int) -> list[Run]:
    """AutoAdamW on Helmholtz, one setting changed at a time, five seeds; the first row changes nothing.

    Args:
        iterations: Optimizer steps of each run.
    """
    settings: dict[str, tuple[str, ...]] = {"auto_adamw": (), **{name: more for name, (_, more) in ABLATION.items()}}
    return [
        Run("helmholtz_2d", name, seed, iterations, (HELMHOLTZ, AUTO), options)
        for seed in ABLATION_SEEDS
        for name, options in settings.items()
    ]


MAIN = Experiment(main_job.runs, main_job.OUT)
TABLE_1 = Experiment(table1.runs, table1.OUT)
TABLE_2 = Experiment(table2.runs, table2.OUT)
EXTRAS = Experiment(extra, FOLDER / "extra.jsonl")
ABLATIONS = Experiment(ablation, FOLDER / "ablation.jsonl")

PARTS: dict[str, Sequence[Experiment]] = {  # the most important first
    "table1": (MAIN, TABLE_1),
    "table2": (TABLE_2,),
    "extra": (EXTRAS,),
    "ablation": (ABLATIONS,),
}
FILES = [experiment.out for experiments in PARTS.values() for experiment in experiments]
