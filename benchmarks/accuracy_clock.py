"""A callback that keeps the errors of a run over its CPU seconds, and ends the run when its budget is spent."""

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

MARKS = 40  # evaluations in a budget, beside that of the start and of the end
GRID = 90_000  # points of an evaluation


class Clock(Callback):
    """Counts the CPU seconds of this process between steps, without those of its own evaluations.

    Args:
        budget: CPU seconds after which the run ends; 0 for no end and no evaluations.
        skip: Steps before the clock starts.

    Attributes:
        rows: ``step``, ``seconds``, ``mse``, ``linf``, ``rel_l2`` and ``finishing`` by evaluation.
        seconds: CPU seconds so far.
    """

    def __init__(self, budget: float = 0.0, skip: int = 0) -> None:
        self.budget = budget
        self.skip = skip
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self._since = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._evaluate(trainer, pl_module)
        self._since = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Evaluate where a mark has passed, and end the run where the budget is spent."""
        if trainer.global_step <= self.skip:
            self._since = time.process_time()
            return
        now = time.process_time()
        self.seconds, self._since = self.seconds + now - self._since, now
        if not self.budget:
            return
        if self.seconds >= len(self.rows) * self.budget / MARKS:
            self._evaluate(trainer, pl_module)
            self._since = time.process_time()
        if self.seconds >= self.budget:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate the final state."""
        if self.rows and self.rows[-1]["step"] != trainer.global_step:
            self._evaluate(trainer, pl_module)

    def _evaluate(self, trainer: Trainer, module: Any) -> None:
        if not self.budget:
            return
        x = module.grid(GRID)
        columns = [module.fields.index(name) for name in module.reported or module.fields]
        with torch.no_grad():
            exact = module.exact(x.double())[:, columns]
            error = (module(x)[:, columns].double() - exact).flatten()
        stage = module.finish_phase.stage
        self.rows.append(
            {
                "step": trainer.global_step,
                "seconds": round(self.seconds, 2),
                "mse": float(error.square().mean()),
                "linf": float(error.abs().max()),
                "rel_l2": float(error.norm() / exact.norm()),
                "finishing": float(stage is not None and stage.began_at is not None),
            }
        )
