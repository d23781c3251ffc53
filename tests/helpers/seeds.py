"""Ensembles of toys, and the single runs that they must equal."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.seed import seed_everything
from lightning.pytorch import Trainer
from torch import Tensor

from helpers.toys import trainer
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.sweeps.ensemble import SeedEnsemble

SEEDS = (0, 1, 2)
Build = Callable[[], tuple[PINNModule, CollocationPoints]]


def maker(
    build: Build, folder: Path, options: Mapping[str, Any]
) -> Callable[[int], tuple[Trainer, PINNModule, CollocationPoints]]:
    def make(seed: int) -> tuple[Trainer, PINNModule, CollocationPoints]:
        module, data = build()
        own = {name: value(seed) if callable(value) else value for name, value in options.items()}
        return trainer(folder, **{"max_steps": 12, **own}), module, data

    return make


def ensemble(build: Build, folder: Path, **options: Any) -> SeedEnsemble:
    """Trained; an option that is a function is called with the seed."""
    found = SeedEnsemble.of(maker(build, folder, options), SEEDS)
    found.fit()
    return found


def single(build: Build, folder: Path, seed: int, **options: Any) -> tuple[Trainer, PINNModule]:
    """The run of one seed by itself, trained."""
    seed_everything(seed, verbose=False)
    lightning_trainer, module, data = maker(build, folder, options)(seed)
    lightning_trainer.fit(module, data)
    return lightning_trainer, module


def distance(module: PINNModule, other: PINNModule) -> float:
    """Of all parameters and buffers, by the largest value of each."""
    mine, theirs = _numbers(module), _numbers(other)
    assert mine.keys() == theirs.keys()
    return max(float((mine[n] - theirs[n]).abs().max() / theirs[n].abs().max().clamp(min=1e-300)) for n in mine)


def _numbers(module: PINNModule) -> dict[str, Tensor]:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: x.detach().double() for name, x in tensors.items() if x.numel()}


def assert_equals_single_runs(build: Build, folder: Path, tolerance: float = 1e-10, **options: Any) -> SeedEnsemble:
    """Each seed of an ensemble ends where its own run does."""
    found = ensemble(build, folder, **options)
    for run in (found.runs[0], found.runs[-1]):
        assert distance(run.module, single(build, folder, run.seed, **options)[1]) < tolerance
    assert distance(found.runs[0].module, found.runs[-1].module) > 1e-3  # else the comparison says nothing
    return found
