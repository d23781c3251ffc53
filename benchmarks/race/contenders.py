"""The list of contenders."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

from benchmarks.race import deepxde, ours, pina
from benchmarks.race.clock import Clock
from benchmarks.race.job import Job

Train = Callable[[Job, Any, float], Clock]
"""Job, what errors are counted against given the module, CPU seconds; returns the clock with its history."""


class Contender(NamedTuple):
    """A way to train.

    Args:
        title: Name in tables and figures.
        color: In figures.
        train: Trains a job for a budget.
        needs: Module that must be installed.
        weighted: Whether a peer has the weights of our recipe; it takes part only in rows where there are some.
        any_budget: Whether a run of a longer budget is one of every shorter one: its schedule does not know the budget.
    """

    title: str
    color: str
    train: Train
    needs: str = "torch"
    any_budget: bool = True
    weighted: bool = False

    @property
    def missing(self) -> bool:
        """Whether it cannot take part."""
        return find_spec(self.needs) is None


def _ours(recipe: Any) -> Train:
    return partial(ours.train, recipe=recipe)


def _weighted(title: str, color: str, train: Any, needs: str) -> Contender:
    return Contender(title, color, partial(train, weighted=True), needs, any_budget=False, weighted=True)


CONTENDERS = {
    "recommended": Contender("our recipe", "#0b6e4f", _ours(ours.recommended)),
    "auto_adamw": Contender("AutoAdamW (the paper)", "#d95f02", _ours(ours.auto_adamw)),
    "adamw": Contender("AdamW", "#555555", _ours(ours.adamw)),
    "deepxde": Contender("DeepXDE", "#1f77b4", deepxde.train, "deepxde", any_budget=False),
    "deepxde_weighted": _weighted("DeepXDE, our weights", "#7fb2d9", deepxde.train, "deepxde"),
    "pina": Contender("PINA", "#8f5bb5", pina.train, "pina", any_budget=False),
    "pina_weighted": _weighted("PINA, our weights", "#c9aadd", pina.train, "pina"),
}
