"""SIGTERM loses no step: what it saves goes on as if nothing had happened."""

import signal
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from helpers.distributed import command_of_several
from helpers.runs import assert_equal, assert_same_state, server
from helpers.signals import Terminate
from helpers.toys import Decay, fit, points
from lightning_autobalance.cli import main
from lightning_autobalance.optim.finish import LevenbergMarquardt
from lightning_autobalance.training.record import CHECKPOINT_KEY

pytestmark = pytest.mark.filterwarnings(
    "ignore:Detected call of `lr_scheduler.step",  # a run that goes on at the end of an epoch steps its schedule first
)
EPOCH = 4
SCHEDULES: dict[str, dict[str, Any]] = {
    "step": {"scheduler": lambda optimizer: StepLR(optimizer, 3, gamma=0.5)},
    "epoch": {"scheduler": lambda optimizer: StepLR(optimizer, 1, gamma=0.5), "scheduler_interval": "epoch"},
    "plateau": {"scheduler": lambda optimizer: ReduceLROnPlateau(optimizer, patience=0, factor=0.5)},
}


def train(folder: Path, *callbacks: Callback, schedule: str = "step", **options: Any) -> Any:
    """Train, give back the final checkpoint."""
    torch.manual_seed(0)
    call = options.pop("steps_per_call", 1)
    steps = options.pop("finish", 0)
    finish = LevenbergMarquardt(steps) if steps else None
    module = Decay(steps_per_call=call, finish=finish, **SCHEDULES[schedule])
    batch = options.pop("eval_batch_size", 100)
    data = points(module, steps_per_epoch=EPOCH, resample_every=2 * call, eval_batch_size=batch)
    last = ModelCheckpoint(folder, save_last=True, every_n_epochs=options.pop("every_n_epochs", 1))
    options = {"max_steps": 10, "num_sanity_val_steps": 0, "callbacks": [last, *callbacks], **options}
    fit(module, folder, data, enable_checkpointing=True, **options)
    return torch.load(folder / "last.ckpt", weights_only=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """The uninterrupted run with some options; each is made once."""

    @cache
    def made(**options: Any) -> Any:
        return train(tmp_path_factory.mktemp("whole"), **options)

    return made


def stopped_and_resumed(folder: Path, terminate: Callback, **options: Any) -> Any:
    with pytest.raises(SIGTERMException):
        train(folder, terminate, **options)
    assert {path.name for path in folder.glob("last*")} == {"last.ckpt"}
    return train(folder, ckpt_path=folder / "last.ckpt", **options)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("step", [3, 4])  # in mid-epoch, and where it ends
def test_resume_after_a_step_is_exact(step: int, schedule: str, whole: Any, tmp_path: Path) -> None:
    found = stopped_and_resumed(tmp_path, Terminate(step), schedule=schedule)
    assert_same_state(whole(schedule=schedule), found)


@pytest.mark.parametrize("schedule", ["epoch", "plateau"])
def test_resume_after_a_stop_in_validation_is_exact(schedule: str, whole: Any, tmp_path: Path) -> None:
    options = {"schedule": schedule, "eval_batch_size": 40}
    found = stopped_and_resumed(tmp_path, Terminate(8, "on_validation_batch_end"), **options)
    assert_same_state(whole(**options), found)


@pytest.mark.parametrize("step", [3, 4])
@pytest.mark.parametrize("every_n_epochs", [1, 2])
def test_a_run_of_so_many_epochs_has_as_many(step: int, every_n_epochs: int, whole: Any, tmp_path: Path) -> None:
    options = {"max_epochs": 4, "max_steps": -1, "every_n_epochs": every_n_epochs}
    found = stopped_and_resumed(tmp_path, Terminate(step), **options)
    assert found["global_step"] == 4 * EPOCH
    assert_same_state(whole(**options), found)


@pytest.mark.parametrize("step", [2, 4])
def test_several_steps_per_call(step: int, whole: Any, tmp_path: Path) -> None:
    found = stopped_and_resumed(tmp_path, Terminate(step), steps_per_call=2)
    assert_same_state(whole(steps_per_call=2), found)


@pytest.mark.parametrize("step", [1, 4, 6])
def test_within_a_call_of_several_steps(step: int, whole: Any, tmp_path: Path) -> None:
    found = stopped_and_resumed(tmp_path, Terminate(step, "on_before_optimizer_step"), steps_per_call=3)
    assert_same_state(whole(steps_per_call=3), found)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_before_optimizer_step"])
@pytest.mark.parametrize("call", [1, 3])
def test_within_a_finish(call: int, hook: str, whole: Any, tmp_path: Path) -> None:
    options = {"steps_per_call": call, "finish": 5, "log_every_n_steps": 1}
    found = stopped_and_resumed(tmp_path, Terminate(6, hook), **options)
    assert found[CHECKPOINT_KEY]["finish"]["began_at"] == 5
    assert_same_state(whole(**options), found)
    assert_equal(whole(**options)[CHECKPOINT_KEY]["finish"], found[CHECKPOINT_KEY]["finish"])


def test_after_the_last_step_there_is_nothing_left_to_do(whole: Any, tmp_path: Path) -> None:
    assert_same_state(whole(), stopped_and_resumed(tmp_path, Terminate(10)))


def test_where_several_processes_are_stopped(monkeypatch: pytest.MonkeyPatch, whole: Any, tmp_path: Path) -> None:
    advance = _TrainingEpochLoop.advance

    def stops(self: _TrainingEpochLoop, fetcher: Any) -> None:  # as after Lightning's broadcast
        if self.global_step == 6:
            raise SIGTERMException
        advance(self, fetcher)

    with monkeypatch.context() as patched:
        patched.setattr(_TrainingEpochLoop, "advance", stops)
        with pytest.raises(SIGTERMException):
            train(tmp_path)
    assert_same_state(whole(), train(tmp_path, ckpt_path=tmp_path / "last.ckpt"))


def test_nothing_that_was_there_is_overwritten(tmp_path: Path) -> None:
    train(tmp_path, max_steps=5)
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(SIGTERMException):
        train(tmp_path, Terminate(2))
    assert (tmp_path / "last.ckpt").read_bytes() == before
    assert torch.load(tmp_path / "last-v1.ckpt", weights_only=True)["global_step"] == 2


def test_the_file_that_a_link_points_to_stays(tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path / "linked", filename="best", save_last="link", monitor="val/rel_l2")
    with pytest.raises(SIGTERMException):
        train(tmp_path, best, Terminate(6))
    steps = {p.name: torch.load(p, weights_only=True)["global_step"] for p in (tmp_path / "linked").iterdir()}
    assert steps == {"best.ckpt": 4, "last.ckpt": 6}


def test_nothing_is_saved_after_another_error_or_before_a_step(tmp_path: Path) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("something else")

    callback = Callback()
    callback.on_train_batch_end = fails  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="something else"):
        train(tmp_path, callback)
    with pytest.raises(SIGTERMException):
        train(tmp_path, Terminate(0, "on_validation_batch_end"), num_sanity_val_steps=-1, eval_batch_size=40)
    assert not list(tmp_path.glob("*.ckpt"))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="an optimizer"),
        pytest.param(
            ("--model.finish=LevenbergMarquardt", "--model.finish.steps=190", "--model.finish.tolerance=0"),
            id="a finish",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_command_resumes_as_if_it_had_not_been_stopped(options: tuple[str, ...], tmp_path: Path) -> None:
    def command(name: str, *more: str) -> list[str]:
        return [
            "fit",
            "--model=Helmholtz2D",
            "--model.net=MLP",
            "--model.net.hidden=[20]",
            "--data.points={interior: 8, boundary: 8}",
            "--data.resample_every=7",
            "--data.steps_per_epoch=20",
            "--data.eval_points=100",
            "--default_callbacks=false",
            "--trainer.callbacks=[{class_path: ModelCheckpoint, init_args: {save_last: true}}]",
            "--trainer.max_steps=200",
            "--trainer.accelerator=cpu",
            "--trainer.logger=false",
            "--trainer.enable_progress_bar=false",
            f"--trainer.default_root_dir={tmp_path / name}",
            *options,
            *more,
        ]

    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    log = tmp_path / "log"
    process = server().Process(target=command_of_several, args=({}, log, command("part")))
    process.start()
    while process.is_alive() and not last.exists():
        time.sleep(0.01)
    process.terminate()
    process.join()
    assert process.exitcode == 128 + signal.SIGTERM
    said = log.read_text()
    done = torch.load(last, weights_only=True)["global_step"]
    assert 20 <= done < 200
    assert f"SIGTERM: stopped after step {done}. Go on with `--ckpt_path {last}`." in said
    assert "Traceback" not in said
    torch.set_num_threads(1)
    main(command("part", f"--ckpt_path={last}"))
    main(command("whole"))
    found = [torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True) for name in ("part", "whole")]
    assert_same_state(*found)
