"""One run of the race: a row, its setting and seed; module, points and network, the same for every contender."""

import copy
import logging
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from benchmarks.race.rows import CONFIGS, ROWS, SETTINGS, Row
from lightning_autobalance.cli.lightning_cli import ROOMS, AutoBalanceCLI, run
from lightning_autobalance.nets import MLP

Config = dict[str, Any]
RECIPE = ("optimizer", "scheduler", "finish", "weights", "variant", "balancer", "stop_at_noise")
"""Arguments of a module that say how to train, not what."""
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "limit_val_batches": 0,
    "num_sanity_val_steps": 0,
}
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
ENDLESS = 1_000_000  # more steps than fit into any budget


class _Made(AutoBalanceCLI):
    """Makes everything and runs nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


@dataclass(frozen=True)
class Job:
    """What is trained.

    Args:
        row: Key of `ROWS`.
        setting: Key of `SETTINGS`.
        seed: Of points, network and measurements.
        points: Numbers of points by part in place of the setting's.
    """

    row: str
    setting: str = "small"
    seed: int = 0
    points: Mapping[str, int] | None = None

    @property
    def of(self) -> Row:
        """The row."""
        return ROWS[self.row]

    @cached_property
    def config(self) -> Config:
        """The row's configuration."""
        found: Config = plain(yaml.safe_load((CONFIGS / f"{self.of.config}.yaml").read_text()))
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of points by part."""
        given = self.config["data"]["points"]
        return dict(self.points or SETTINGS[self.setting].points(given, self.of.multiple))

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the recommended recipe by loss term; 1 for the others."""
        found: dict[str, float] = self.config["model"]["init_args"].get("weights") or {}
        return found

    @property
    def switch(self) -> int:
        """Steps of the recipe before its finish."""
        finish = self.config["model"]["init_args"].get("finish")
        steps: int = self.config["trainer"]["max_steps"]
        return steps - finish["init_args"]["steps"] if finish else 0

    def recipe(self) -> Config:
        """How the row is trained by its configuration, with a finish that does not end."""
        given = self.config["model"]["init_args"]
        found = {name: copy.deepcopy(given[name]) for name in RECIPE if name in given}
        if found.get("finish"):
            found["finish"]["init_args"]["steps"] = ENDLESS
        return found

    def made(self, recipe: Config | None = None) -> tuple[Any, Any]:
        """Module and data, with the setting's network and points.

        Args:
            recipe: Arguments of the module of those in ``RECIPE``.
        """
        config = copy.deepcopy(self.config)
        arguments = config["model"].setdefault("init_args", {})
        config["model"]["init_args"] = {k: v for k, v in arguments.items() if k not in RECIPE} | (recipe or {})
        config["data"] |= {"points": self.counts, "steps_per_epoch": ENDLESS}
        config |= {"trainer": {**QUIET, "max_steps": ENDLESS}, "seed_everything": self.seed, "default_callbacks": False}
        for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
            logging.getLogger(name).setLevel(logging.WARNING)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "config.yaml")
            path.write_text(yaml.safe_dump(config))
            cli = run(["fit", f"--config={path}"], kind=_Made)
        cli.model.net = sized(cli.model.net, SETTINGS[self.setting].hidden, self.seed)
        return cli.model, cli.datamodule


def plain(config: Any) -> Any:
    """A configuration with numbers for "1e4", to which PyYAML wants a point, and with full names of our classes.

    PINA brings classes with the same short names.

    Args:
        config: As read.
    """
    if isinstance(config, dict):
        return {name: full_name(value) if name == "class_path" else plain(value) for name, value in config.items()}
    if isinstance(config, list):
        return [plain(value) for value in config]
    return float(config) if isinstance(config, str) and EXPONENT.fullmatch(config) else config


def full_name(name: str) -> str:
    """The path of a class that YAML names in short; others stay.

    Args:
        name: Such as "MLP".
    """
    rooms = [room.__name__ for room in ROOMS if hasattr(room, name)]
    return f"{rooms[0]}.{name}" if rooms else name


def sized(net: nn.Module, hidden: tuple[int, ...], seed: int) -> nn.Module:
    """A network with other hidden layers in all of its perceptrons, and with the start of a seed.

    Args:
        net: An `MLP`, or a network that contains some.
        hidden: Widths.
        seed: Of the weights, Glorot's normal distribution.
    """
    torch.manual_seed(seed)
    if isinstance(net, MLP):
        return _like(net, hidden)
    for name, part in [(name, part) for name, part in net.named_modules() if isinstance(part, MLP)]:
        owner, _, last = name.rpartition(".")
        setattr(net.get_submodule(owner), last, _like(part, hidden))
    return net


def _like(net: MLP, hidden: tuple[int, ...]) -> MLP:
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    return MLP(layers[0].in_features, layers[-1].out_features, list(hidden))


def predictor(net: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Fields at points of another type.

    Args:
        net: Maps points (n, d) to fields (n, k).
        dtype: Of its weights.
    """
    return lambda x: net(x.to(dtype))
