"""Our contenders: AdamW, AutoAdamW of the paper, and the recipe of the row's configuration."""

import warnings
from typing import Any

from lightning.pytorch import Callback, Trainer

from benchmarks.race.clock import Clock
from benchmarks.race.job import ENDLESS, QUIET, Config, Job, predictor
from benchmarks.race.score import Known, errors

SCHEDULE: Config = {  # of the paper, for its three problems
    "class_path": "WarmupExponentialDecay",
    "init_args": {"start": 1e-4, "warmup": 1500, "floor": 1e-5},
}


def paper(optimizer: str) -> Config:
    """The paper's training with one optimizer, every weight 1.

    Args:
        optimizer: Class of it.
    """
    return {
        "optimizer": {"class_path": optimizer, "init_args": {"lr": 1e-2, "weight_decay": 0.0}},
        "scheduler": SCHEDULE,
    }


def adamw(_: Job) -> tuple[Config, int]:
    """AdamW on the sum of the losses: arguments of the module, steps."""
    return paper("torch.optim.AdamW"), ENDLESS


def auto_adamw(_: Job) -> tuple[Config, int]:
    """AutoAdamW, as in the paper."""
    return paper("AutoAdamW"), ENDLESS


def recommended(job: Job) -> tuple[Config, int]:
    """The recipe of the row's configuration, its finish until the budget ends."""
    return job.recipe(), job.switch + ENDLESS


class Watch(Callback):
    """Lets a clock see the steps of a run.

    Args:
        clock: Its clock.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self.clock.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Stop where the budget is spent."""
        stage = pl_module.finish_phase.stage
        self.clock.phase = "finish" if stage is not None and stage.began_at is not None else "first"
        if self.clock.tick(trainer.global_step):
            trainer.should_stop = True


def train(job: Job, against: Any, budget: float, recipe: Any) -> Clock:
    """Train for a budget.

    Args:
        job: What.
        against: Given the module, what errors are counted against.
        budget: CPU seconds.
        recipe: One of those above.
    """
    arguments, steps = recipe(job)
    module, data = job.made(arguments)
    known: dict[str, Known] = against(module)
    clock = Clock(budget, lambda: errors(known, predictor(module, module.points_dtype)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning: how to use more workers and a progress bar
        Trainer(**QUIET, max_steps=steps, callbacks=[Watch(clock)]).fit(module, data)
    clock.stop()
    return clock
