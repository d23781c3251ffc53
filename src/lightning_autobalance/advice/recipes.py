"""What `advise` tries: a first phase, the weights, when to switch, and the finish."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

Spec: TypeAlias = dict[str, Any]
"""A class and its arguments, as in YAML."""

FIRST: Mapping[str, Spec] = {  # optimizers of the first phase
    "AutoSOAP": {"class_path": "AutoSOAP", "init_args": {"lr": 1e-2, "weight_decay": 0.0}},
    "AdamW": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 5e-3, "weight_decay": 0.0}},
}
SCHEDULER: Spec = {
    "class_path": "WarmupExponentialDecay",
    "init_args": {"start": 1e-4, "warmup": 200, "period": 100, "floor": 1e-5},
}
SWITCH = 500  # steps of the first phase while weights and optimizers are compared
SWITCHES = (100, 500, 2000)
FINISH = "LevenbergMarquardt"
FINISH_WITHOUT_ROWS = "SelfScaledBroyden"  # for a class that gives losses, not residuals


@dataclass(frozen=True)
class Recipe:
    """A way to train a problem.

    Args:
        first: Optimizer of the first phase, key of ``FIRST``.
        switch: Steps of the first phase.
        finish: Class of the finisher, which takes all further steps.
        weights: Name of the weights, for tables.
        values: These weights by term.
    """

    first: str
    switch: int
    finish: str
    weights: str
    values: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        return f"{self.first} for {self.switch} steps, then {self.finish}, {self.weights} weights"

    def settings(self, finish_steps: int) -> dict[str, Any]:
        """What a configuration says to train by it.

        Args:
            finish_steps: Steps of the finisher.
        """
        return {
            "trainer": {"max_steps": self.switch + finish_steps},
            "model": {
                "init_args": {
                    "weights": dict(self.values),
                    "balancer": None,
                    "optimizer": FIRST[self.first],
                    "scheduler": SCHEDULER,
                    "finish": {"class_path": self.finish, "init_args": {"steps": finish_steps}},
                }
            },
        }


def starts(weights: Mapping[str, Mapping[str, float]], finish: str) -> list[Recipe]:
    """Every combination of weights and first phase.

    Args:
        weights: By name of the weights, their values by term; of those with equal values, the first.
        finish: Class of the finisher.
    """
    named: dict[tuple[tuple[str, float], ...], str] = {}
    for name, values in weights.items():
        named.setdefault(tuple(sorted(values.items())), name)
    return [Recipe(first, SWITCH, finish, name, values) for (values, name), first in product(named.items(), FIRST)]


def switches(recipe: Recipe) -> list[Recipe]:
    """A recipe with each other moment of the switch."""
    return [replace(recipe, switch=switch) for switch in SWITCHES if switch != recipe.switch]
