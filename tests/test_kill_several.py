"""Signals to one or all of several processes: they stop after the same step, and none waits for ever."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.distributed import command_of_several, environments
from helpers.runs import assert_same_state, server

PATIENCE = 60.0  # seconds after which a process counts as one that hangs
SETTINGS = [
    "fit",
    "--model=Helmholtz2D",
    "--data.points={interior: 32, boundary: 8}",
    "--data.resample_every=7",
    "--data.eval_points=400",
    "--data.eval_batch_size=64",
    "--default_callbacks=false",
    "--trainer.callbacks=[{class_path: ModelCheckpoint, init_args: {save_last: true}}]",
    "--trainer.accelerator=cpu",
    "--trainer.devices=2",
    "--trainer.strategy=ddp",
    "--trainer.logger=false",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
]


@contextmanager
def two(folder: Path, *options: str) -> Iterator[list[Any]]:
    """Start the command in two processes."""
    folder.mkdir(exist_ok=True)
    line = [*SETTINGS, f"--trainer.default_root_dir={folder}", *options]
    with ExitStack() as stack:
        running = []
        for rank, environment in enumerate(environments(2)):
            arguments = (environment, folder / f"log{rank}", line)
            running.append(server().Process(target=command_of_several, args=arguments))
            running[-1].start()
            stack.callback(running[-1].join)
            stack.callback(running[-1].kill)
        yield running


def wait(running: Sequence[Any], until: Any = lambda: False) -> None:
    """Wait until all have ended, or something is so.

    Raises:
        TimeoutError: If neither happens.
    """
    end = time.monotonic() + PATIENCE
    while any(process.is_alive() for process in running) and not until():
        if time.monotonic() > end:
            raise TimeoutError("the processes hang")
        time.sleep(0.001)


def last(folder: Path) -> Any:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def logs(folder: Path) -> list[str]:
    return [(folder / f"log{rank}").read_text() for rank in (0, 1)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The uninterrupted run of two processes with so many steps."""

    @cache
    def made(*options: str) -> Any:
        folder = tmp_path_factory.mktemp("whole")
        with two(folder, *options) as running:
            wait(running)
        return last(folder)

    return made


STOPS: dict[str, list[tuple[int, float]]] = {  # the process, and the seconds before its signal
    "first": [(0, 0.0)],
    "second": [(1, 0.0)],
    "both": [(0, 0.0), (1, 0.002)],
    "both-apart": [(1, 0.0), (0, 0.1)],
    "twice": [(1, 0.0), (1, 0.001)],
}


@pytest.mark.parametrize(
    ("stops", "options"),
    [
        pytest.param("second", ["--data.steps_per_epoch=20"], id="second"),
        pytest.param("both", ["--data.steps_per_epoch=20"], id="both", marks=pytest.mark.slow),
        pytest.param("both-apart", ["--data.steps_per_epoch=20"], id="both-apart", marks=pytest.mark.slow),
        pytest.param("first", ["--data.steps_per_epoch=20"], id="first", marks=pytest.mark.slow),
        pytest.param("twice", ["--data.steps_per_epoch=20"], id="twice", marks=pytest.mark.slow),
        pytest.param("second", ["--data.steps_per_epoch=1"], id="in-validation", marks=pytest.mark.slow),
        pytest.param(
            "both-apart",
            ["--data.steps_per_epoch=20", "--model.steps_per_call=5"],
            id="several-steps-per-call",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_all_stop_after_the_same_step(stops: str, options: list[str], whole: Any, tmp_path: Path) -> None:
    with two(tmp_path, "--trainer.max_steps=100000", "--model.compile=false", *options) as running:
        wait(running, (tmp_path / "checkpoints" / "last.ckpt").exists)
        for rank, seconds in STOPS[stops]:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it has ended already
                os.kill(running[rank].pid, signal.SIGTERM)
        wait(running)
        status = [process.exitcode for process in running]
    # a signal after the state is saved ends a process at once
    assert status[0] in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert status[1] in (0, -signal.SIGTERM)
    found = last(tmp_path)
    done = found["global_step"]
    assert f"SIGTERM: stopped after step {done}." in logs(tmp_path)[0]
    assert "Traceback" not in "".join(logs(tmp_path))
    more = [*options, f"--trainer.max_steps={done + 10}"]
    with two(tmp_path / "resumed", f"--ckpt_path={tmp_path}/checkpoints/last.ckpt", *more) as running:
        wait(running)
    assert_same_state(last(tmp_path / "resumed"), whole(*more))


@pytest.mark.parametrize("killed", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_where_one_is_killed_the_other_ends_with_one_line(killed: int, tmp_path: Path) -> None:
    with two(tmp_path, "--trainer.max_steps=100000", "--model.compile=false", "--data.steps_per_epoch=20") as running:
        wait(running, (tmp_path / "checkpoints" / "last.ckpt").exists)
        before = [len(log) for log in logs(tmp_path)]
        running[killed].kill()
        wait(running)
        assert running[1 - killed].exitcode == 2
    said = [log[n:] for log, n in zip(logs(tmp_path), before, strict=True)][1 - killed].strip()
    assert said.startswith("error: `devices`: all processes of a run must go on to its end, another one was lost (")
    assert said.endswith("Go on from the last checkpoint with `ckpt_path`.")
    assert len(said.splitlines()) == 1
    assert last(tmp_path)["global_step"] >= 20
