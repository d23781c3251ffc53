"""Rounds of trials: first weights and first phases, then when to switch; the best recipe is written."""

import shlex
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console
from rich.table import Table

from lightning_autobalance.advice.recipes import FINISH, FINISH_WITHOUT_ROWS, SWITCHES, Recipe, starts, switches
from lightning_autobalance.advice.responses import response_weights
from lightning_autobalance.advice.trials import Command, Problem, Trial, attempt, look

KEPT = 2  # recipes that go on to the second round
FEWEST = 10  # steps of a finish in the written configuration
HEADER = "# Found by `lightning-autobalance advise`; put it behind your own: --config my_pde.yaml --config {name}"


def advise(line: Sequence[str], command: Command, *, budget: float, share: float, out: Path) -> Recipe:
    """Find a recipe for a problem by two rounds of trials, print them, and write it.

    Args:
        line: Options of `fit` for the user's configuration.
        command: Runs a command line.
        budget: CPU seconds that the training may take.
        share: Part of it for the trials.
        out: File to write.

    Returns:
        The best recipe.

    Raises:
        MisconfigurationException: If no trial succeeds.
    """
    problem = look(line, command)
    tried = _starts(problem)
    seconds = share * budget / (len(tried) + KEPT * (len(SWITCHES) - 1))  # the same for all, which are compared
    first = _round(tried, problem, line, seconds, command)
    best = sorted((trial for trial in first if not trial.failure), key=lambda trial: trial.error)[:KEPT]
    second = _round([recipe for trial in best for recipe in switches(trial.recipe)], problem, line, seconds, command)
    chosen = min([*best, *second], key=lambda trial: trial.error, default=first[0])
    if not isfinite(chosen.error):
        raise MisconfigurationException(f"`advise` must find a recipe that trains this problem, got {chosen.outcome}")
    Console().print(_table("First round", first), _table("Second round", second))
    _write(chosen, max(trial.finish_seconds for trial in [*first, *second]), budget, out)
    sys.stdout.write(
        f"wrote {out}: {chosen.recipe}.\ntrain by it: lightning-autobalance fit {shlex.join(line)} --config {out}\n"
    )
    return chosen.recipe


def _starts(problem: Problem) -> list[Recipe]:
    named = {"your": problem.weights}
    if problem.answers:
        named["response"] = response_weights(problem.answers)
    return starts(named, FINISH if problem.answers else FINISH_WITHOUT_ROWS)


def _round(
    recipes: Sequence[Recipe], problem: Problem, line: Sequence[str], seconds: float, command: Command
) -> list[Trial]:
    found = []
    for number, recipe in enumerate(recipes, 1):
        trial = attempt(recipe, problem, line, seconds, command)
        found.append(trial)
        sys.stdout.write(f"trial {number} of {len(recipes)}: {recipe}: {trial.outcome}\n")
    return found


def _write(chosen: Trial, finish_seconds: float, budget: float, out: Path) -> None:
    recipe = chosen.recipe
    in_first = min(chosen.steps, recipe.switch)
    spent_in_first = chosen.seconds - chosen.finish_seconds * (chosen.steps - in_first)
    left = budget - spent_in_first / max(in_first, 1) * recipe.switch
    steps = max(FEWEST, int(left / finish_seconds)) if finish_seconds else FEWEST
    text = yaml.safe_dump(recipe.settings(steps), sort_keys=False)
    out.write_text(f"{HEADER.format(name=out.name)}\n{text}")


def _table(title: str, trials: Sequence[Trial]) -> Table:
    table = Table("first phase", "switch", "weights", "steps", "CPU s", "estimated error", title=title)
    for trial in sorted(trials, key=lambda trial: trial.error):
        recipe = trial.recipe
        numbers = (
            str(recipe.switch),
            recipe.weights,
            str(trial.steps),
            f"{trial.seconds:.0f}",
            trial.failure or f"{trial.error:.1e}",
        )
        table.add_row(recipe.first, *numbers)
    return table
