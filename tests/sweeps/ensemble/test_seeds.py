"""Each seed of an ensemble is its own single run."""

import math
import signal
import threading
from collections.abc import Iterator, Mapping
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
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from helpers.runs import assert_same_state
from helpers.seeds import SEEDS, assert_equals_single_runs, distance, ensemble, maker, single
from helpers.toys import Decay, Poisson2D, points, trainer
from helpers.waves import MAKE, Wave
from lightning_autobalance.balancing import aggregators, weightings
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, FourierFeatures, Parallel
from lightning_autobalance.optim import WarmupExponentialDecay
from lightning_autobalance.problems import Helmholtz2D, PoissonInverse2D, ReactionDiffusion1D
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.sweeps.ensemble import SeedEnsemble

COUNTS = {
    Helmholtz2D: {"interior": 24, "boundary": 8},
    PoissonInverse2D: {"interior": 24},
    ReactionDiffusion1D: {"interior": 24, "boundary": 8, "initial": 4},
}
WAVE = {"interior": 24, "boundary": 6, "initial": 5}


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    before, threads, generator = torch.get_default_dtype(), torch.get_num_threads(), np.random.get_state()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    yield
    torch.set_default_dtype(before)
    torch.set_num_threads(threads)
    np.random.set_state(generator)


def poisson(data: Mapping[str, Any] | None = None, **options: Any) -> Any:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = Poisson2D(**{name: value() if name == "balancer" else value for name, value in options.items()})
        return module, points(module, **{"seed": None, **(data or {})})

    return build


def wave(variant: str) -> Any:
    def build() -> tuple[PINNModule, CollocationPoints]:
        return Wave(variant=MAKE[variant](), check_exact=False), CollocationPoints(
            WAVE, eval_points=100, steps_per_epoch=4
        )

    return build


def adamw(params: Any) -> Optimizer:
    return AdamW(params, lr=1e-2)


@pytest.mark.parametrize(
    "balancer",
    [
        aggregators.ConFIG,
        weightings.NTK,
        *(pytest.param(slow, marks=pytest.mark.slow) for slow in (weightings.DWA, aggregators.PCGrad)),
        pytest.param(aggregators.MConFIG, marks=pytest.mark.slow),
    ],
    ids=lambda balancer: balancer.__name__,
)
def test_balancers(balancer: Any, tmp_path: Path) -> None:
    found = assert_equals_single_runs(poisson(optimizer=adamw, balancer=balancer), tmp_path)
    assert found.unstacked is None


def test_auto_adamw(tmp_path: Path) -> None:
    assert assert_equals_single_runs(poisson(), tmp_path).unstacked is None


@pytest.mark.slow
def test_equal_weights(tmp_path: Path) -> None:
    assert assert_equals_single_runs(poisson(optimizer=adamw), tmp_path).unstacked is None


@pytest.mark.parametrize(
    "variant",  # the stack holds five of them
    [name if name in ("Stack", "CWP") else pytest.param(name, marks=pytest.mark.slow) for name in MAKE],
)
def test_variants(variant: str, tmp_path: Path) -> None:
    found = assert_equals_single_runs(wave(variant), tmp_path, max_steps=8)
    assert found.unstacked is None


@pytest.mark.parametrize("problem", COUNTS, ids=lambda problem: problem.__name__)
def test_problems(problem: Any, tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        net = Parallel([MLP(2, 1, [6, 6]), MLP(2, 1, [6])]) if problem is PoissonInverse2D else MLP(2, 1, [6, 6])
        return problem(net=net), CollocationPoints(COUNTS[problem], eval_points=100, steps_per_epoch=10)

    assert assert_equals_single_runs(build, tmp_path, max_steps=8).unstacked is None


def test_redrawn_points_schedule_clipping_and_several_steps_per_call(tmp_path: Path) -> None:
    def schedule(optimizer: Optimizer) -> WarmupExponentialDecay:
        return WarmupExponentialDecay(optimizer, warmup=4)

    build = poisson(
        {"resample_every": 4}, scheduler=schedule, gradient_clip_val=0.5, weights={"pde": 0.1}, steps_per_call=4
    )
    assert assert_equals_single_runs(build, tmp_path).unstacked is None


@pytest.mark.slow
def test_a_network_with_random_buffers(tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = Poisson2D(net=nn.Sequential(FourierFeatures(2, 4), MLP(4, 1, [6])))
        return module, points(module, seed=None)

    assert assert_equals_single_runs(build, tmp_path).unstacked is None


def test_frozen_and_tied_parameters(tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        layers = [nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Linear(5, 1)]
        layers[4].weight = layers[2].weight
        layers[0].weight.requires_grad_(False)
        module = Poisson2D(net=nn.Sequential(*layers))
        return module, points(module, seed=None)

    assert assert_equals_single_runs(build, tmp_path).unstacked is None


class Noisy(Poisson2D):
    """Draws from torch's and numpy's global random numbers in every step."""

    def on_train_batch_start(self, *_: Any) -> None:
        with torch.no_grad():
            for p in self.parameters():
                p.add_(1e-3 * torch.randn_like(p) + 1e-3 * np.random.normal())


def test_each_run_has_its_own_random_numbers(tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = Noisy()
        return module, points(module, seed=None)

    torch.manual_seed(7)
    np.random.seed(7)
    before, numbers = torch.get_rng_state(), np.random.get_state()[1]
    found = ensemble(build, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)  # of whoever called
    assert np.array_equal(np.random.get_state()[1], numbers)
    for run in found.runs:
        assert distance(run.module, single(build, tmp_path, run.seed)[1]) < 1e-10


def test_precision_of_the_trainer(tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float32)
    found = assert_equals_single_runs(poisson(), tmp_path, precision="64-true")
    assert next(found.runs[0].module.parameters()).dtype == torch.float64
    assert torch.get_default_dtype() == torch.float32


def test_one_seed(tmp_path: Path) -> None:
    found = SeedEnsemble.of(maker(poisson(), tmp_path, {}), [5])
    found.fit(stack=True)
    assert distance(found.runs[0].module, single(poisson(), tmp_path, 5)[1]) == 0.0


# Residuals that cannot be stacked ------------------------------------------------------------------------------------


class OwnLosses(Decay):
    """Gives losses, not residuals."""

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {term: residual.abs().mean() for term, residual in self.residuals(points).items()}


class OwnForward(Decay):
    """Needs reverse mode."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.0 + x * self.net(x)


class Counting(Decay):
    """Its residuals change an attribute."""

    calls = 0

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.calls += 1
        return super().residuals(points)


class SeedInAnAttribute(Decay):
    """What differs from seed to seed is no buffer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rate = 1.0 + float(torch.rand(()))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_x = self.partials(points["interior"], "", "x")
        return {"pde": u_x + self.rate * u, "boundary": self(points["boundary"]) - 1.0}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (OwnLosses, "has `losses` of its own"),
        (OwnForward, r"cannot be stacked \(RuntimeError"),
        (Counting, r"cannot be stacked \(they change 'calls'\)"),
        (SeedInAnAttribute, "the residual of 'pde' is another one"),
    ],
)
def test_runs_that_cannot_be_stacked_are_trained_in_turn(kind: type[Decay], reason: str, tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = kind(check_exact=False)
        return module, points(module, seed=None)

    with pytest.warns(UserWarning, match=reason):
        found = ensemble(build, tmp_path, max_steps=10)
    for run in found.runs:
        own = single(build, tmp_path, run.seed, max_steps=10)[1]
        assert distance(run.module, own) == 0.0
        assert getattr(run.module, "calls", 0) == getattr(own, "calls", 0)


class ChangesLater(Decay):
    """Differs from seed to seed from step 3 on."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        shift = torch.initial_seed() % 3 if self._trainer is not None and self.global_step >= 3 else 0
        return {term: r + self.late * float(shift > -1) for term, r in super().residuals(points).items()}

    late = 0.0

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if batch_idx == 3:
            self.late = float(self.net[0].weight.detach().sum())


def test_residuals_that_part_later_stop_the_run(tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = ChangesLater(check_exact=False)
        return module, points(module, seed=None)

    with pytest.raises(RuntimeError, match="must stay those of each seed, found at step 3"):
        ensemble(build, tmp_path)


def test_many_points_are_stacked_on_a_cpu_only_if_asked(tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        return Poisson2D(), CollocationPoints({"interior": 990, "boundary": 20}, eval_points=100)

    make = maker(build, tmp_path, {"max_steps": 2})
    alone, stacked = SeedEnsemble.of(make, SEEDS), SeedEnsemble.of(make, SEEDS)
    alone.fit()
    stacked.fit(stack=True)
    assert alone.unstacked == "1,010 points of a run, on a CPU"
    assert stacked.unstacked is None
    assert distance(alone.runs[2].module, single(build, tmp_path, 2, max_steps=2)[1]) == 0.0
    assert distance(alone.runs[2].module, stacked.runs[2].module) < 1e-10
    few = SeedEnsemble.of(maker(poisson(), tmp_path, {"max_steps": 2}), SEEDS)
    few.fit(stack=False)
    assert few.unstacked == "not asked for"
    two = SeedEnsemble.of(maker(poisson(), tmp_path, {"max_steps": 2}), SEEDS[:2])
    two.fit()
    assert two.unstacked == "2 seeds, on a CPU"


# Ends and errors -----------------------------------------------------------------------------------------------------


class Diverging(Poisson2D):
    """The loss of one seed is NaN from step 4 on."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.bad and self.global_step == 4:
            with torch.no_grad():
                next(iter(self.parameters())).fill_(math.nan)

    bad = False


def diverging(seed_that_fails: int) -> Any:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = Diverging()
        module.bad = torch.initial_seed() == seed_that_fails
        return module, points(module, seed=None)

    return build


def test_a_seed_that_diverges_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    found = SeedEnsemble.of(maker(diverging(1), tmp_path, {}), SEEDS)
    with pytest.raises(NonFiniteError, match=r"^Seed 1: The loss of loss term `pde` must be finite at step 4"):
        found.fit()
    assert [run.trainer.global_step for run in found.runs] == [12, 4, 12]
    for i in (0, 2):
        assert distance(found.runs[i].module, single(diverging(1), tmp_path, i)[1]) < 1e-10


class Failing(Poisson2D):
    """Fails at step 5."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.global_step == 5 and torch.initial_seed() == 1:
            raise OSError("the disk is gone")


def test_any_other_error_ends_all_runs_and_names_the_seed(tmp_path: Path) -> None:
    def build() -> tuple[PINNModule, CollocationPoints]:
        module = Failing()
        return module, points(module, seed=None)

    found = SeedEnsemble.of(maker(build, tmp_path, {}), SEEDS)
    with pytest.raises(OSError, match="the disk is gone") as caught:
        found.fit()
    assert caught.value.__notes__ == ["This was the run of seed 1."]
    assert all(run.trainer.global_step <= 6 for run in found.runs)


def test_an_error_of_the_configuration_names_the_seed(tmp_path: Path) -> None:
    found = SeedEnsemble.of(maker(poisson(weights={"pdee": 1.0}), tmp_path, {}), SEEDS)
    with pytest.raises(MisconfigurationException, match=r"^Seed 0: `weights` must name loss terms"):
        found.fit()


def test_a_seed_that_stops_early_leaves_the_others(tmp_path: Path) -> None:
    def callbacks(seed: int) -> list[Callback]:
        patience = 0 if seed == 1 else 1000
        return [EarlyStopping("val/rel_l2", patience=patience, min_delta=1e3)]  # nothing improves by so much

    found = assert_equals_single_runs(poisson(), tmp_path, callbacks=callbacks)
    steps = [run.trainer.global_step for run in found.runs]
    assert steps[1] < 12
    assert (steps[0], steps[2]) == (12, 12)


class Signals(Callback):
    """Sends SIGTERM, or Ctrl-C, to this process in a step of one seed."""

    def __init__(self, number: signal.Signals, seed: int) -> None:
        self.number, self.seed = number, seed

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if self.seed == 1 and trainer.global_step == 7:
            signal.raise_signal(self.number)
            signal.pthread_kill(threading.main_thread().ident or 0, self.number)


def test_sigterm_saves_every_seed(tmp_path: Path) -> None:
    def callbacks(seed: int) -> list[Callback]:
        return [ModelCheckpoint(tmp_path / str(seed), save_last=True), Signals(signal.SIGTERM, seed)]

    options = {"callbacks": callbacks, "enable_checkpointing": True}
    found = SeedEnsemble.of(maker(poisson(), tmp_path, options), SEEDS)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SIGTERMException):
        found.fit()
    assert signal.getsignal(signal.SIGTERM) is before
    for seed in SEEDS:
        saved = torch.load(tmp_path / str(seed) / "last.ckpt", weights_only=True)["global_step"]
        assert saved in (7, 8)


def test_ctrl_c_ends_all_runs(tmp_path: Path) -> None:
    def callbacks(seed: int) -> list[Callback]:
        return [Signals(signal.SIGINT, seed)]

    found = SeedEnsemble.of(maker(poisson(), tmp_path, {"callbacks": callbacks, "max_steps": 3000}), SEEDS)
    with pytest.raises(KeyboardInterrupt):
        found.fit()
    assert all(run.trainer.global_step < 3000 for run in found.runs)


# Checkpoints ---------------------------------------------------------------------------------------------------------


other_folder = pytest.mark.filterwarnings("ignore:The dirpath has changed", "ignore:Be aware that when using")


def saving(folder: Path) -> dict[str, Any]:
    def callbacks(seed: int) -> list[Callback]:
        return [ModelCheckpoint(folder / str(seed), save_last=True)]

    return {"callbacks": callbacks, "enable_checkpointing": True}


def states(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / str(seed) / "last.ckpt", weights_only=True) for seed in SEEDS]


@other_folder
@pytest.mark.parametrize(
    "build",
    [poisson({"resample_every": 3}), pytest.param(wave("RoPINN"), marks=pytest.mark.slow)],
    ids=["redrawn", "RoPINN"],
)
def test_resume_in_mid_run_is_exact(build: Any, tmp_path: Path) -> None:
    whole, part, rest = tmp_path / "whole", tmp_path / "part", tmp_path / "rest"
    ensemble(build, tmp_path, **saving(whole), max_steps=11)
    torch.manual_seed(3)
    ensemble(build, tmp_path, **saving(part), max_steps=7)
    paths = {seed: part / str(seed) / "last.ckpt" for seed in SEEDS}
    resumed = SeedEnsemble.of(maker(build, tmp_path, {**saving(rest), "max_steps": 11}), SEEDS, paths)
    resumed.fit()
    for a, b in zip(states(whole), states(rest), strict=True):
        assert_same_state(a, b)


@other_folder
def test_runs_that_are_behind_catch_up_and_are_stacked_again(tmp_path: Path) -> None:
    ensemble(poisson(), tmp_path, **saving(tmp_path / "part"), max_steps=lambda seed: 4 + 3 * seed)
    paths = {seed: tmp_path / "part" / str(seed) / "last.ckpt" for seed in SEEDS}
    resumed = SeedEnsemble.of(maker(poisson(), tmp_path, {"max_steps": 14}), SEEDS, paths)
    resumed.fit()
    assert resumed.unstacked is None
    for run in resumed.runs:
        assert distance(run.module, single(poisson(), tmp_path, run.seed, max_steps=14)[1]) < 1e-10


@other_folder
def test_a_seeds_checkpoint_is_that_of_a_single_run(tmp_path: Path) -> None:
    found = ensemble(poisson(), tmp_path, **saving(tmp_path))
    x = torch.rand(7, 2)
    for run in found.runs:
        path = tmp_path / str(run.seed) / "last.ckpt"
        with torch.no_grad():
            assert torch.equal(Poisson2D.load_from_checkpoint(path)(x), run.module(x))
        assert path.stat().st_size < 60_000  # of one network, not of all
    again = trainer(tmp_path, max_steps=15)
    seed_everything(1, verbose=False)
    module, data = poisson()()
    again.fit(module, data, ckpt_path=tmp_path / "1" / "last.ckpt")
    assert again.global_step == 15


def test_errors_of_every_seed(tmp_path: Path) -> None:
    found = ensemble(poisson(), tmp_path)
    metrics = [single(poisson(), tmp_path, seed)[0].callback_metrics["val/rel_l2"] for seed in SEEDS]
    assert found.seeds == SEEDS
    assert found.errors()["val/rel_l2"] == pytest.approx([float(metric) for metric in metrics])


# Refusals ------------------------------------------------------------------------------------------------------------


def test_refuses_no_runs_and_equal_seeds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`runs` must hold at least one run, got none"):
        SeedEnsemble([])
    with pytest.raises(ValueError, match=r"`seeds` must differ from each other, got \[1, 1\]"):
        SeedEnsemble.of(maker(poisson(), tmp_path, {}), [1, 1])


def test_refuses_shared_objects(tmp_path: Path) -> None:
    module = Poisson2D()
    with pytest.raises(ValueError, match="`make` must build a new module for every seed"):
        SeedEnsemble.of(lambda seed: (trainer(tmp_path), module, points(module)), SEEDS)


def test_refuses_modules_of_several_kinds(tmp_path: Path) -> None:
    def kinds(seed: int) -> Any:
        module = Decay() if seed else Poisson2D()
        return trainer(tmp_path), module, points(module)

    with pytest.raises(MisconfigurationException, match="must be of one class, got Poisson2D and Decay"):
        SeedEnsemble.of(kinds, SEEDS)

    def sizes(seed: int) -> Any:
        module = Decay(net=MLP(1, 1, [seed + 3]))
        return trainer(tmp_path), module, points(module)

    with pytest.raises(MisconfigurationException, match="those of seed 1 differ from those of seed 0"):
        SeedEnsemble.of(sizes, SEEDS)


def test_refuses_several_processes(tmp_path: Path) -> None:
    options = {"strategy": "ddp", "devices": 2}
    with pytest.raises(MisconfigurationException, match="`strategy` must be a single device"):
        SeedEnsemble.of(maker(poisson(), tmp_path, options), SEEDS)


def test_refuses_to_compile(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="`compile` must be left out where several seeds"):
        SeedEnsemble.of(maker(poisson(compile=True), tmp_path, {}), SEEDS)
