"""Short trainings of a user's own problem, each for some CPU seconds, and how far each came."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_autobalance.advice.recipes import Recipe
from lightning_autobalance.advice.responses import responses
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.step import NonFiniteError

Command = Callable[[list[str]], Any]  # runs a command line; gives the LightningCLI with its trainer and model
ENDLESS = 10**6  # steps of a finish in a trial, which ends by its clock
QUIET = (
    "--trainer.logger=false",
    "--trainer.enable_checkpointing=false",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.limit_val_batches=0",
    "--trainer.num_sanity_val_steps=0",
    "--trainer.callbacks=[]",
    "--default_callbacks=false",
    "--seeds=null",  # one run per trial
    "--workers=1",
)


@dataclass(frozen=True)
class Problem:
    """What is asked of a problem before the trials.

    Args:
        terms: Names of its loss terms.
        weights: The configuration's own.
        answers: Of `responses`; empty for a class that gives losses.
    """

    terms: tuple[str, ...]
    weights: Mapping[str, float]
    answers: Mapping[str, float]


@dataclass(frozen=True)
class Trial:
    """How far a recipe came.

    Args:
        recipe: What was tried.
        seconds: CPU seconds of the training.
        steps: Optimizer steps, those of the finish among them.
        finish_seconds: Of one step of the finish; 0 if there was none.
        error: Estimated error of the solution; infinite where training failed.
        failure: Why it failed; empty if it did not.
    """

    recipe: Recipe
    seconds: float = 0.0
    steps: int = 0
    finish_seconds: float = 0.0
    error: float = inf
    failure: str = ""

    @property
    def outcome(self) -> str:
        """The error or the failure, in words."""
        return self.failure or f"estimated error {self.error:.1e}"


class Stopwatch(Callback):
    """Ends a training when its CPU seconds are spent.

    Args:
        budget: CPU seconds of this process.
        switch: Steps of the first phase.
    """

    def __init__(self, budget: float, switch: int) -> None:
        self.budget = budget
        self.switch = switch
        self.began = self.switched = 0.0
        self.seconds = 0.0

    def on_train_start(self, *_: Any) -> None:
        """Start it."""
        self.began = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Stop the training where the time is over."""
        self.seconds = time.process_time() - self.began
        if trainer.global_step <= self.switch:
            self.switched = self.seconds
        trainer.should_stop = trainer.should_stop or self.seconds >= self.budget

    def finish_seconds(self, steps: int) -> float:
        """CPU seconds of one step of the finish; 0 where none was taken.

        Args:
            steps: Of the whole run.
        """
        return (self.seconds - self.switched) / (steps - self.switch) if steps > self.switch else 0.0


class Look(Callback):
    """Asks a module what the trials need to know, in place of the first step."""

    found: Problem | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look, and end the run."""
        module: Any = pl_module
        data: Any = getattr(trainer, "datamodule", None)
        if not isinstance(data, CollocationPoints):
            raise MisconfigurationException(
                f"`advise` must know the points by part, as in `data.points`, got {type(data).__name__}."
            )
        answers = {} if module.has_own_losses else responses(module.double(), data.held_out())
        self.found = Problem(tuple(module.terms), dict(module.weights), answers)
        trainer.should_stop = True


def look(line: Sequence[str], command: Command) -> Problem:
    """Ask a problem what the trials need to know.

    Args:
        line: Options of `fit` for the user's configuration.
        command: Runs a command line.
    """
    given = [f"--trainer.callbacks+={__name__}.Look", "--trainer.max_steps=1", "--model.finish=null"]
    with TemporaryDirectory() as folder, _silent():
        cli = command(["fit", *line, *QUIET, *given, f"--trainer.default_root_dir={folder}"])
    found: Problem = _of_kind(cli.trainer, Look).found
    return found


def attempt(recipe: Recipe, problem: Problem, line: Sequence[str], budget: float, command: Command) -> Trial:
    """Train by a recipe for some time.

    Args:
        recipe: What to try.
        problem: From `look`.
        line: Options of `fit` for the user's configuration.
        budget: CPU seconds.
        command: Runs a command line.
    """
    with TemporaryDirectory() as folder:
        config = Path(folder) / "recipe.yaml"
        config.write_text(yaml.safe_dump(recipe.settings(ENDLESS)))
        watch = [f"--trainer.callbacks+={__name__}.Stopwatch", f"--trainer.callbacks.budget={budget}"]
        watch += [f"--trainer.callbacks.switch={recipe.switch}", f"--trainer.default_root_dir={folder}"]
        try:
            with _silent():
                cli = command(["fit", *line, f"--config={config}", *QUIET, *watch])
        except (MisconfigurationException, NonFiniteError) as failure:
            return Trial(recipe, failure=str(failure))
    watched, steps = _of_kind(cli.trainer, Stopwatch), cli.trainer.global_step
    losses = cli.model.held_out_losses(cli.trainer.datamodule.held_out())
    error = estimated_error({term: float(loss.detach()) for term, loss in losses.items()}, problem.answers)
    return Trial(recipe, watched.seconds, steps, watched.finish_seconds(steps), error)


def estimated_error(losses: Mapping[str, float], answers: Mapping[str, float]) -> float:
    r"""Size of the change of the solution that would answer with these residuals.

    .. math:: e = \sqrt{\frac1m \sum_i \langle r_i^2 \rangle / s_i}

    Args:
        losses: Mean squares of the residuals at new points, by term.
        answers: :math:`s_i`, of `responses`; 1 where a term has none.

    Returns:
        e, in the units of the solution; infinite where a loss is not finite.
    """
    found = sum(loss / (answers.get(term, 0.0) or 1.0) for term, loss in losses.items()) / len(losses)
    return found**0.5 if isfinite(found) else inf


@contextmanager
def _silent() -> Iterator[None]:
    """While open, Lightning says nothing of seeds, devices and warnings, a dozen times over."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _of_kind(trainer: Trainer, kind: type[Any]) -> Any:
    return next(callback for callback in trainer.callbacks if isinstance(callback, kind))  # type: ignore[attr-defined]
