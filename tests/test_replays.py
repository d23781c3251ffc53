"""Captured steps equal uncaptured ones, or say why there are none. Operations are repeated by `helpers.tape`."""

import pickle
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LambdaCallback
from torch import Tensor

from helpers.tape import Tape
from helpers.toys import Decay, Poisson2D, fit, points
from lightning_autobalance import recordings
from lightning_autobalance.balancing import ConFIG
from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.gradients import NonFiniteError
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import AutoAdamW, AutoBalance, WarmupExponentialDecay
from lightning_autobalance.points import DeviceUniform, Sampler, Sobol, Uniform
from lightning_autobalance.replays import Replays
from lightning_autobalance.variants import RBA

AUTO = partial(AutoAdamW, lr=1e-2, weight_decay=0.1)
PLAIN = partial(torch.optim.AdamW, lr=1e-2, fused=True)  # the only one of torch's that is capturable on a CPU


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recordings.RECORDINGS, "cpu", lambda _: Tape())


def trained(
    folder: Path, kind: type[PINNModule] = Poisson2D, *, steps: int = 14, every: int = 5, **options: Any
) -> PINNModule:
    torch.manual_seed(0)
    trainer_options = options.pop("trainer", {})
    data = options.pop("data", {})
    module = kind(check_exact=False, **{"optimizer": AUTO, **options}).double()
    fit(module, folder, points(module, **data), max_steps=steps, log_every_n_steps=every, **trainer_options)
    return module


RATE = 2.0**-7  # the same number in float32, as a tensor, and in float64


def weights(module: PINNModule) -> dict[str, Tensor]:
    return {name: x.clone() for name, x in module.state_dict().items()}


def assert_alike(captured: PINNModule, plain: PINNModule, **tolerance: float) -> None:
    assert captured.replays.reason == ""
    assert captured.replays.replayed > 0
    for name, x in weights(plain).items():
        torch.testing.assert_close(weights(captured)[name], x, **(tolerance or {"rtol": 0.0, "atol": 0.0}), msg=name)


CASES: dict[str, dict[str, Any]] = {
    "auto_adamw": {"optimizer": partial(AutoAdamW, lr=RATE, weight_decay=0.1)},
    "adamw": {"optimizer": partial(torch.optim.AdamW, lr=RATE, fused=True)},
    "clipped": {"optimizer": partial(AutoAdamW, lr=RATE), "gradient_clip_val": 0.5},
    "weighted": {"optimizer": partial(torch.optim.AdamW, lr=RATE, fused=True), "weights": {"boundary": 10.0}},
    "redrawn": {"optimizer": partial(AutoAdamW, lr=RATE), "data": {"resample_every": 1}},
    "redrawn_in_a_call": {
        "optimizer": partial(AutoAdamW, lr=RATE),
        "data": {"resample_every": 3, "sampler": Sobol()},
        "steps_per_call": 5,
    },
    "drawn_inside": {
        "optimizer": partial(AutoAdamW, lr=RATE),
        "data": {"resample_every": 2, "sampler": DeviceUniform()},
        "steps_per_call": 5,
    },
    "reverse": {"optimizer": partial(AutoAdamW, lr=RATE), "derivatives": "reverse"},
    "eps_root": {"optimizer": partial(AutoAdamW, lr=RATE, eps_root=1e-8)},
    "several_a_call": {"optimizer": partial(AutoAdamW, lr=RATE), "steps_per_call": 4},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("tape")
def test_captured_equals_uncaptured(tmp_path: Path, case: str) -> None:
    plain = trained(tmp_path, **CASES[case])
    assert_alike(trained(tmp_path, cuda_graph=True, **CASES[case]), plain)


@pytest.mark.usefixtures("tape")
@pytest.mark.parametrize(("sampler", "host"), [(DeviceUniform(), 0), (Uniform(), 9)], ids=["device", "host"])
def test_a_captured_step_draws_its_points_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: Sampler, host: int
) -> None:
    asked: list[int] = []
    at = CollocationPoints.points_at

    def noted(data: CollocationPoints, step: int) -> dict[str, Tensor]:
        asked.append(step)
        return at(data, step)

    monkeypatch.setattr(CollocationPoints, "points_at", noted)
    data = {"resample_every": 1, "sampler": sampler, "steps_per_epoch": 60}
    module = trained(tmp_path, steps=30, every=20, cuda_graph=True, steps_per_call=30, data=data)
    replayed = module.replays.replayed
    assert replayed > 20
    assert len({step for step in asked if step > 20}) == host


@pytest.mark.usefixtures("tape")
def test_a_schedule_is_followed(tmp_path: Path) -> None:
    schedule = partial(WarmupExponentialDecay, start=1e-3, warmup=4, every=2, period=4)
    plain = trained(tmp_path, scheduler=schedule, steps=20)
    captured = trained(tmp_path, scheduler=schedule, steps=20, cuda_graph=True)
    assert_alike(captured, plain, rtol=1e-6, atol=1e-9)  # the rate is a float32 tensor
    without = trained(tmp_path, steps=20)
    assert not torch.allclose(weights(without)["net.0.weight"], weights(plain)["net.0.weight"], rtol=1e-3)


@pytest.mark.usefixtures("tape")
def test_what_is_logged_is_the_same(tmp_path: Path) -> None:
    captured, plain = (
        trained(tmp_path, optimizer=partial(AutoAdamW, lr=RATE), trainer={"callbacks": [BalanceMonitor()]}, **options)
        for options in ({"cuda_graph": True}, {})
    )
    assert_alike(captured, plain)
    assert captured.latest == plain.latest
    assert "balance/update_cos/pde_x_boundary" in captured.latest
    for callback in (captured.trainer.callbacks, plain.trainer.callbacks):
        assert next(c for c in callback if isinstance(c, BalanceMonitor)).statistics["grad"].count == 3  # 0, 5, 10


@pytest.mark.usefixtures("tape")
@pytest.mark.parametrize("then", [True, False])
def test_resume_is_exact_also_uncaptured(tmp_path: Path, then: bool) -> None:
    options: dict[str, Any] = {"optimizer": partial(AutoAdamW, lr=RATE), "trainer": {"enable_checkpointing": True}}
    whole = trained(tmp_path / "whole", cuda_graph=True, **options)
    trained(tmp_path / "begun", cuda_graph=True, steps=8, **options)
    (path,) = (tmp_path / "begun").rglob("*.ckpt")
    saved = torch.load(path, weights_only=True)
    (group,) = saved["optimizer_states"][0]["param_groups"]
    assert (group["lr"], group["capturable"]) == (RATE, False)
    resumed = Poisson2D(check_exact=False, optimizer=options["optimizer"], cuda_graph=then).double()
    go_on = {"ckpt_path": path, "enable_checkpointing": True}
    fit(resumed, tmp_path / "begun", max_steps=14, log_every_n_steps=5, **go_on)
    for name, x in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], x, rtol=0.0, atol=0.0)


class Bursting(Poisson2D):
    """Its boundary residual is infinite once a parameter that grows by itself is large."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.level = torch.nn.Parameter(torch.tensor(0.0))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        burst = torch.where(self.level > 8.5 * RATE, torch.inf, 1.0)
        return {**found, "boundary": found["boundary"] * burst, "level": (self.level - 1.0).expand(3)}


@pytest.mark.usefixtures("tape")
def test_a_step_that_is_not_finite_is_named_and_leaves_no_trace(tmp_path: Path) -> None:
    options: dict[str, Any] = {"optimizer": partial(AutoAdamW, lr=RATE), "steps_per_call": 20, "cuda_graph": True}
    torch.manual_seed(0)
    module = Bursting(check_exact=False, **options).double()
    with pytest.raises(
        NonFiniteError,
        match=r"loss of loss term `boundary` must be finite at step 9 .* captured steps: the weights are those before "
        r"step 8\. There is no checkpoint yet",
    ):
        fit(module, tmp_path, points(module), max_steps=20, log_every_n_steps=5)
    before = trained(tmp_path, Bursting, steps=8, optimizer=options["optimizer"])
    for name, x in weights(before).items():
        torch.testing.assert_close(weights(module)[name], x, rtol=0.0, atol=0.0)


class Curriculum(Poisson2D):
    """A factor that Python computes from the step."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        started = self._trainer is not None and self.trainer.global_step > 7
        return {**found, "boundary": found["boundary"] * (2.0 if started else 1.0)}


@pytest.mark.usefixtures("tape")
def test_what_python_decides_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="`cuda_graph` must be left out where a step depends on more"):
        trained(tmp_path, Curriculum, cuda_graph=True)


class Wrong(Tape):
    """Repeats all but the optimizer's step as it was."""

    def replay(self) -> None:
        super().replay()
        for func, args, _, made in self.operations:
            if not made and "fused_adam" in func.name():
                for moved in args[0]:
                    moved.add_(1.0)


def test_a_wrong_recording_is_noticed_and_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recordings.RECORDINGS, "cpu", lambda _: Wrong())
    options = {"optimizer": partial(torch.optim.AdamW, lr=RATE, fused=True)}
    with pytest.warns(
        UserWarning,
        match="`cuda_graph` is of no effect.*the captured step differs from the same step uncaptured: its update",
    ):
        captured = trained(tmp_path, cuda_graph=True, **options)
    for name, x in weights(trained(tmp_path, **options)).items():
        torch.testing.assert_close(weights(captured)[name], x, rtol=0.0, atol=0.0)


class Waiting(Poisson2D):
    """Reads a number from the device."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        return {**found, "boundary": found["boundary"] * (1.0 if found["pde"].max().item() > 0 else 2.0)}


class Listening(Callback):
    def on_before_optimizer_step(self, *_: Any) -> None:
        """Do nothing."""


REFUSED: dict[str, tuple[str, Callable[[Path], PINNModule]]] = {
    "waits for the device": (
        "RuntimeError: operation not permitted when stream is capturing",
        lambda folder: trained(folder, Waiting, cuda_graph=True, optimizer=partial(AutoAdamW, lr=RATE)),
    ),
    "variant": ("the variant RBA decides in Python", lambda folder: trained(folder, variant=RBA(), cuda_graph=True)),
    "balancer": (
        "ConFIG decides in Python",
        lambda folder: trained(folder, optimizer=PLAIN, balancer=ConFIG(), cuda_graph=True),
    ),
    "optimizer": (
        "steps of SGD cannot be captured",
        lambda folder: trained(folder, optimizer=partial(torch.optim.SGD, lr=1e-3), cuda_graph=True),
    ),
    "skipping": (
        "`skip_non_finite` must be 0, since single steps",
        lambda folder: trained(folder, skip_non_finite=2, cuda_graph=True),
    ),
    "listener without a class": (
        "LambdaCallback wants to act in every step",
        lambda folder: trained(
            folder,
            cuda_graph=True,
            trainer={"callbacks": [LambdaCallback(on_before_optimizer_step=lambda *_: None)]},
        ),
    ),
    "state elsewhere": (
        "steps of AutoBalance cannot be captured",
        lambda folder: trained(
            folder, cuda_graph=True, optimizer=lambda p: AutoBalance(p, torch.optim.AdamW, lr=1e-3, fused=True)
        ),
    ),
    "listener": (
        "Listening wants to act in every step",
        lambda folder: trained(folder, cuda_graph=True, trainer={"callbacks": [Listening()]}),
    ),
    "momentum that changes": (
        "settings of the module or the optimizer change",
        lambda folder: trained(
            folder, cuda_graph=True, scheduler=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=20)
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("tape")
def test_what_cannot_be_captured_runs_as_it_is(tmp_path: Path, name: str) -> None:
    reason, run = REFUSED[name]
    with pytest.warns(UserWarning, match=f"`cuda_graph` is of no effect, and the run goes on uncaptured: {reason}"):
        module = run(tmp_path)
    assert module.trainer.global_step == 14
    assert reason in module.replays.reason


def test_needs_cuda(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="it needs a device of type cuda, got cpu"):
        captured = trained(tmp_path, Decay, cuda_graph=True, optimizer=partial(AutoAdamW, lr=RATE))
    for name, x in weights(trained(tmp_path, Decay, optimizer=partial(AutoAdamW, lr=RATE))).items():
        torch.testing.assert_close(weights(captured)[name], x, rtol=0.0, atol=0.0)


@pytest.mark.usefixtures("tape")
def test_a_rate_that_is_set_by_hand_counts(tmp_path: Path) -> None:
    class Halving(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 7:
                trainer.optimizers[0].param_groups[0]["lr"] = RATE / 2

    captured, plain = (
        trained(tmp_path, optimizer=partial(AutoAdamW, lr=RATE), trainer={"callbacks": [Halving()]}, **options)
        for options in ({"cuda_graph": True}, {})
    )
    assert_alike(captured, plain)


@pytest.mark.usefixtures("tape")
def test_every_fit_begins_anew(tmp_path: Path) -> None:
    captured, plain = (
        trained(tmp_path, optimizer=partial(AutoAdamW, lr=RATE), **o) for o in ({"cuda_graph": True}, {})
    )
    assert captured.replays._graph is None  # whose memory would stay
    for module in (captured, plain):
        module.optimizer = partial(AutoAdamW, lr=RATE / 16)
        fit(module, tmp_path, points(module), max_steps=12, log_every_n_steps=5)
    assert_alike(captured, plain)
    (state, *_) = captured.trainer.optimizers[0].state.values()
    assert state["step"] == 12


class Averaging(Poisson2D):
    """Weighs a term by an average that residuals bring up to date, in a buffer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register_buffer("average", torch.ones(()))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        if self.training:
            self.average.mul_(0.9).add_(0.1 * found["pde"].detach().square().mean())
        return {**found, "boundary": found["boundary"] * self.average.clone()}


@pytest.mark.usefixtures("tape")
def test_buffers_belong_to_the_state(tmp_path: Path) -> None:
    captured, plain = (
        trained(tmp_path, Averaging, optimizer=partial(AutoAdamW, lr=RATE), **o) for o in ({"cuda_graph": True}, {})
    )
    assert_alike(captured, plain)


def first_weight(module: PINNModule) -> Tensor:
    return next(iter(module.parameters()))


def group_of(module: PINNModule) -> dict[str, Any]:
    (group,) = module.trainer.optimizers[0].param_groups
    return group


def swap(module: PINNModule) -> None:
    first_weight(module).data = first_weight(module).data.clone()


@pytest.mark.usefixtures("tape")
def test_another_pace_of_points_counts(tmp_path: Path) -> None:
    def hurry(module: PINNModule) -> None:
        module.trainer.datamodule.resample_every = 1

    options: dict[str, Any] = {
        "optimizer": partial(AutoAdamW, lr=RATE),
        "data": {"resample_every": 2, "sampler": DeviceUniform(), "steps_per_epoch": 50},
        "every": 50,
    }
    with pytest.warns(UserWarning, match="the numbers of points, their type or their sampler change"):
        captured = trained(tmp_path, steps=18, cuda_graph=True, trainer={"callbacks": [At(14, hurry)]}, **options)
    plain = trained(tmp_path, steps=18, trainer={"callbacks": [At(14, hurry)]}, **options)
    for name, x in weights(plain).items():
        torch.testing.assert_close(weights(captured)[name], x, rtol=0.0, atol=0.0, msg=name)


CHANGES: dict[str, Callable[[PINNModule], Any]] = {
    "a frozen parameter": lambda module: first_weight(module).requires_grad_(False),
    "a fixed weight": lambda module: module.weights.update(boundary=9.0),
    "clipping": lambda module: setattr(module, "gradient_clip_val", 1e-3),
    "the optimizer's state": lambda module: module.trainer.optimizers[0].load_state_dict(
        deepcopy(module.trainer.optimizers[0].state_dict())
    ),
    "the optimizer's settings": lambda module: group_of(module).update(weight_decay=0.5),
    "a list in the settings": lambda module: group_of(module)["combine"].__setitem__(1, 0.0),
    "another balancer": lambda module: setattr(module, "balancer", ConFIG()),
    "memory of a parameter": swap,
}


class At(Callback):
    def __init__(self, step: int, change: Callable[[PINNModule], Any]) -> None:
        self.step, self.change = step, change

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.change(pl_module)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.usefixtures("tape")
def test_what_changes_in_the_middle_counts(tmp_path: Path, name: str) -> None:
    if name == "another balancer":
        options: dict[str, Any] = {"optimizer": partial(torch.optim.AdamW, lr=RATE, fused=True)}
    else:
        options = {"optimizer": partial(AutoAdamW, lr=RATE, combine=[1.0, 1.0])}
    changing = {"callbacks": [At(8, CHANGES[name])]}
    with pytest.warns(UserWarning, match="`cuda_graph` is of no effect, and the run goes on uncaptured"):
        captured = trained(tmp_path, trainer=changing, cuda_graph=True, **deepcopy(options))
    plain = trained(tmp_path, trainer=changing, **options)
    assert captured.replays.replayed > 0
    for key, x in weights(plain).items():
        torch.testing.assert_close(weights(captured)[key], x, rtol=0.0, atol=0.0, msg=key)


class Detached(Poisson2D):
    """Its gradient changes in the middle, its losses do not."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found, scale = super().residuals(points), torch.nn.functional.softplus(next(iter(self.parameters())).sum())
        late = self._trainer is not None and self.trainer.global_step > 7
        return {**found, "boundary": found["boundary"] * (scale.detach() if late else scale)}


@pytest.mark.usefixtures("tape")
def test_a_gradient_that_python_decides_is_noticed_without_logged_steps(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="differs from the same step uncaptured: its update"):
        trained(tmp_path, Detached, cuda_graph=True, every=0)


@pytest.mark.usefixtures("tape")
def test_points_that_change_in_place_are_read_again(tmp_path: Path) -> None:
    def move(module: PINNModule) -> None:
        for x in module.trainer.datamodule._own.values():
            x.mul_(0.9)

    captured, plain = (
        trained(tmp_path, optimizer=partial(AutoAdamW, lr=RATE), trainer={"callbacks": [At(8, move)]}, **o)
        for o in ({"cuda_graph": True}, {})
    )
    assert_alike(captured, plain)


def test_nothing_captured_is_pickled() -> None:
    replays = Replays(True)
    replays._warm, replays._graph, replays._since = 3, object(), 5  # type: ignore[assignment]
    copy = pickle.loads(pickle.dumps(replays))
    assert (copy._warm, copy._graph, copy._since) == (0, None, None)


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
@pytest.mark.parametrize("compile_", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_cuda_graphs_equal_eager_steps(tmp_path: Path, case: str, compile_: bool) -> None:
    options = {**CASES[case], "trainer": {"accelerator": "gpu"}, "compile": compile_}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's compiler
        plain = trained(tmp_path, steps=60, every=20, **options)
        captured = trained(tmp_path, steps=60, every=20, cuda_graph=True, **options)
    assert_alike(captured, plain, rtol=1e-9, atol=1e-12)


@gpu
def test_cuda_waits_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="`cuda_graph` is of no effect"):
        trained(tmp_path, Waiting, cuda_graph=True, trainer={"accelerator": "gpu"})
