"""Each seed of an ensemble is its own single run, to the last bit."""

import math
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.seed import seed_everything
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor
from torch.optim import Optimizer

from helpers.runs import assert_equal, assert_same_state
from helpers.toys import Poisson2D, points, trainer
from helpers.waves import MAKE, Wave
from lightning_autobalance import SeedEnsemble
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import WarmupExponentialDecay
from lightning_autobalance.step import NonFiniteError

SEEDS = (0, 1, 2)
Build = Callable[[], tuple[PINNModule, CollocationPoints]]
Make = Callable[[int], tuple[Trainer, PINNModule, CollocationPoints]]


@pytest.fixture(autouse=True)
def random_state() -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state()
    yield
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])


def poisson(kind: type[PINNModule] = Poisson2D, data: Mapping[str, Any] | None = None, **options: Any) -> Build:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = kind(**options)
        return module, points(module, **{"seed": None, **(data or {})})

    return build


def maker(build: Build, folder: Path, **options: Any) -> Make:
    """An option of the Trainer that is a function is called with the seed."""

    def make(seed: int) -> tuple[Trainer, PINNModule, CollocationPoints]:
        module, data = build()
        own = {name: value(seed) if callable(value) else value for name, value in options.items()}
        return trainer(folder, **{"max_steps": 12, **own}), module, data

    return make


def fitted(make: Make, ckpt_paths: Mapping[int, Path] | None = None) -> SeedEnsemble:
    ensemble = SeedEnsemble.of(make, SEEDS, ckpt_paths)
    ensemble.fit()
    return ensemble


def single(make: Make, seed: int) -> tuple[Trainer, PINNModule]:
    """The run of one seed by itself, trained."""
    seed_everything(seed, workers=True, verbose=False)
    lightning_trainer, module, data = make(seed)
    lightning_trainer.fit(module, data)
    return lightning_trainer, module


def assert_equals_single_runs(make: Make) -> SeedEnsemble:
    ensemble = fitted(make)
    states = [run.module.state_dict() for run in ensemble.runs]
    for seed, state in zip(SEEDS, states, strict=True):
        assert_equal(state, dict(single(make, seed)[1].state_dict()))
    name = next(name for name, _ in ensemble.runs[0].module.named_parameters())
    assert not torch.equal(states[0][name], states[2][name])  # else the comparison says nothing
    return ensemble


def test_redrawn_points_schedule_clipping_and_several_steps_per_call(tmp_path: Path) -> None:
    def schedule(optimizer: Optimizer) -> WarmupExponentialDecay:
        return WarmupExponentialDecay(optimizer, warmup=4)

    options: dict[str, Any] = {"scheduler": schedule, "gradient_clip_val": 0.5, "steps_per_call": 4}
    assert_equals_single_runs(maker(poisson(data={"resample_every": 4}, **options), tmp_path))


def test_a_variant_with_random_numbers(tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        counts = {"interior": 24, "boundary": 6, "initial": 5}
        module = Wave(variant=MAKE["Stack"](), check_exact=False)
        return module, CollocationPoints(counts, eval_points=100, steps_per_epoch=4)

    assert_equals_single_runs(maker(build, tmp_path, max_steps=8))


class Noisy(Poisson2D):
    """Draws random numbers of torch and numpy in every step; those of Python are used by the tests' type checks."""

    def on_train_batch_start(self, *_: Any) -> None:
        with torch.no_grad():
            for p in self.parameters():
                p.add_(1e-3 * torch.randn_like(p) + 1e-3 * np.random.normal())


def test_each_run_has_its_own_random_numbers(tmp_path: Path) -> None:
    assert_equals_single_runs(maker(poisson(Noisy), tmp_path))


def test_the_random_state_of_the_caller_is_restored(tmp_path: Path) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    before = torch.get_rng_state(), np.random.get_state()[1]
    with pytest.raises(NonFiniteError):
        SeedEnsemble.of(maker(diverging(1), tmp_path), (0, 1)).fit()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_precision_of_the_trainer(tmp_path: Path) -> None:
    ensemble = assert_equals_single_runs(maker(poisson(), tmp_path, precision="64-true"))
    assert next(ensemble.runs[0].module.parameters()).dtype == torch.float64
    assert torch.get_default_dtype() == torch.float32


def test_a_run_is_built_when_the_one_before_has_ended(tmp_path: Path) -> None:
    steps: list[list[int]] = []

    def make(seed: int) -> tuple[Trainer, PINNModule, CollocationPoints]:
        steps.append([run.trainer.global_step for run in ensemble.runs])
        return maker(poisson(), tmp_path, max_steps=3)(seed)

    ensemble = SeedEnsemble.of(make, SEEDS)
    assert ensemble.runs == []
    assert ensemble.seeds == SEEDS
    ensemble.fit()
    assert steps == [[], [3], [3, 3]]
    ensemble.fit()  # from the beginning
    assert [run.trainer.global_step for run in ensemble.runs] == [3, 3, 3]


def test_errors_of_every_seed(tmp_path: Path) -> None:
    make = maker(poisson(), tmp_path)
    ensemble = SeedEnsemble.of(make, SEEDS)
    assert ensemble.errors() == {}
    ensemble.fit()
    assert ensemble.errors()["val/rel_l2"] == [
        float(single(make, seed)[0].callback_metrics["val/rel_l2"]) for seed in SEEDS
    ]


# Ends and errors -----------------------------------------------------------------------------------------------------


class Diverging(Poisson2D):
    """The loss of one seed is NaN from step 4 on."""

    bad = False

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.bad and self.global_step == 4:
            with torch.no_grad():
                next(iter(self.parameters())).fill_(math.nan)


def diverging(*seeds: int) -> Build:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = Diverging()
        module.bad = torch.initial_seed() in seeds
        return module, points(module, seed=None)

    return build


def test_seeds_that_diverge_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    make = maker(diverging(0, 1), tmp_path)
    ensemble = SeedEnsemble.of(make, SEEDS)
    with pytest.raises(NonFiniteError, match=r"^Seed 0: The loss of loss term `pde` must be finite at step 4.* Seed 1"):
        ensemble.fit()
    assert [run.trainer.global_step for run in ensemble.runs] == [4, 4, 12]
    assert_equal(ensemble.runs[2].module.state_dict(), dict(single(make, 2)[1].state_dict()))
    errors = ensemble.errors()["val/rel_l2"]
    assert math.isnan(errors[1])
    assert errors[2] > 0


class Failing(Poisson2D):
    """Fails at step 5."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.global_step == 5 and torch.initial_seed() == 1:
            raise OSError("the disk is gone")


def test_any_other_error_ends_all_runs_and_names_the_seed(tmp_path: Path) -> None:
    ensemble = SeedEnsemble.of(maker(poisson(Failing), tmp_path), SEEDS)
    with pytest.raises(OSError, match="the disk is gone") as caught:
        ensemble.fit()
    assert caught.value.__notes__ == ["This was the run of seed 1."]
    assert [run.trainer.global_step for run in ensemble.runs] == [12, 5]


def test_an_error_of_the_configuration_names_the_seed(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"^Seed 0: `weights` must name loss terms"):
        fitted(maker(poisson(weights={"pdee": 1.0}), tmp_path))


def test_a_seed_that_stops_early_leaves_the_others(tmp_path: Path) -> None:
    def callbacks(seed: int) -> list[Callback]:
        patience = 0 if seed == 1 else 1000
        return [EarlyStopping("val/rel_l2", patience=patience, min_delta=1e3)]  # nothing improves by so much

    ensemble = assert_equals_single_runs(maker(poisson(), tmp_path, callbacks=callbacks))
    steps = [run.trainer.global_step for run in ensemble.runs]
    assert steps[1] < 12
    assert (steps[0], steps[2]) == (12, 12)


class Signals(Callback):
    """Sends a signal to this process in a step of one seed."""

    def __init__(self, number: signal.Signals, seed: int) -> None:
        self.number, self.seed = number, seed

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if self.seed == 1 and trainer.global_step == 7:
            signal.raise_signal(self.number)


def saving(folder: Path, *extra: Callable[[int], Callback]) -> dict[str, Any]:
    def callbacks(seed: int) -> list[Callback]:
        return [ModelCheckpoint(folder / str(seed), save_last=True), *(make(seed) for make in extra)]

    return {"callbacks": callbacks, "enable_checkpointing": True}


def last(folder: Path, seed: int) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / str(seed) / "last.ckpt", weights_only=True)
    return state


def test_sigterm_saves_the_run_under_way_and_starts_no_other(tmp_path: Path) -> None:
    options = saving(tmp_path, lambda seed: Signals(signal.SIGTERM, seed))
    ensemble = SeedEnsemble.of(maker(poisson(), tmp_path, **options), SEEDS)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SIGTERMException):
        ensemble.fit()
    assert signal.getsignal(signal.SIGTERM) is before
    assert [last(tmp_path, seed)["global_step"] for seed in (0, 1)] == [12, 7]
    assert not (tmp_path / "2").exists()


def test_ctrl_c_ends_all_runs(tmp_path: Path) -> None:
    def callbacks(seed: int) -> list[Callback]:
        return [Signals(signal.SIGINT, seed)]

    ensemble = SeedEnsemble.of(maker(poisson(), tmp_path, callbacks=callbacks), SEEDS)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as stopped:  # Lightning's end of a single run
            ensemble.fit()
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.value.code == 1
    assert [run.trainer.global_step for run in ensemble.runs] == [12, 7]


# Checkpoints ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The dirpath has changed", "ignore:Be aware that when using")
def test_resume_is_exact_also_where_a_seed_has_no_checkpoint_yet(tmp_path: Path) -> None:
    build = poisson(data={"resample_every": 3})
    whole, part, rest = tmp_path / "whole", tmp_path / "part", tmp_path / "rest"
    fitted(maker(build, tmp_path, **saving(whole), max_steps=11))
    torch.manual_seed(3)
    fitted(maker(build, tmp_path, **saving(part), max_steps=7))
    paths = {seed: part / str(seed) / "last.ckpt" for seed in (0, 1)}
    resumed = fitted(maker(build, tmp_path, **saving(rest), max_steps=11), paths)
    for run in resumed.runs:
        assert_same_state(last(whole, run.seed), last(rest, run.seed))


def test_a_seeds_checkpoint_is_that_of_a_single_run(tmp_path: Path) -> None:
    make = maker(poisson(), tmp_path, **saving(tmp_path))
    ensemble = fitted(make)
    x = torch.rand(7, 2)
    for run in ensemble.runs:
        found = Poisson2D.load_from_checkpoint(tmp_path / str(run.seed) / "last.ckpt")
        with torch.no_grad():
            assert torch.equal(found(x), run.module(x))


# Refusals ------------------------------------------------------------------------------------------------------------


def test_refuses_no_seeds_and_equal_seeds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`seeds` must hold at least one seed, got none"):
        SeedEnsemble.of(maker(poisson(), tmp_path), [])
    with pytest.raises(ValueError, match=r"`seeds` must differ from each other, got \[1, 1\]"):
        SeedEnsemble.of(maker(poisson(), tmp_path), [1, 1])


def test_refuses_shared_objects(tmp_path: Path) -> None:
    module = Poisson2D()
    ensemble = SeedEnsemble.of(lambda seed: (trainer(tmp_path, max_steps=1), module, points(module)), SEEDS)
    with pytest.raises(ValueError, match="`make` must build a new module for every seed"):
        ensemble.fit()


def test_refuses_several_processes(tmp_path: Path) -> None:
    ensemble = SeedEnsemble.of(maker(poisson(), tmp_path, strategy="ddp", devices=2), SEEDS)
    with pytest.raises(MisconfigurationException, match="`strategy` must be a single device"):
        ensemble.fit()


def test_seeds_are_not_stacked(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="stack"):
        SeedEnsemble.of(maker(poisson(), tmp_path), SEEDS).fit(stack=True)  # type: ignore[call-arg]


def test_residuals_of_any_kind(tmp_path: Path) -> None:
    class Counting(Poisson2D):
        calls = 0

        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            self.calls += 1
            return super().residuals(points) if self.calls else {}

    make = maker(poisson(Counting), tmp_path)
    for run in assert_equals_single_runs(make).runs:
        assert run.module.calls == single(make, run.seed)[1].calls
