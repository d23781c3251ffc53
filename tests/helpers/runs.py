"""Runs in processes of their own, which can be killed, and the comparison of what they leave."""

import os
import random
import signal
import sys
import time
import warnings
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim import Optimizer
from torch.optim.lr_scheduler import StepLR

from helpers.toys import Decay, fit, points

STATE = ("state_dict", "optimizer_states", "lr_schedulers", "CollocationPoints", "global_step")
SAVE_EVERY = 3

UNDRAWN = (  # the default callbacks but the pictures, which take most of the time of a short run
    "--default_callbacks=false",
    '--trainer.callbacks=[{"class_path": "BalanceMonitor"}, {"class_path": "Dashboard"}, {"class_path": "FitSummary"}, '
    '{"class_path": "ModelCheckpoint", "init_args": {"save_last": true}}]',
)


def assert_equal(a: Any, b: Any, where: str = "") -> None:
    """To the last bit, all the way down."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}/{i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def assert_same_state(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Of two checkpoints: all that training goes on from."""
    for part in STATE:
        assert_equal(a[part], b[part], part)


class Pace(Callback):
    """Tells another process which step is done."""

    def __init__(self, done: Any) -> None:
        self.done = done

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self.done.value = trainer.global_step


def train_and_save(folder: Path, steps: int, done: Any = None) -> None:
    """A run on one thread that saves often, and goes on where an earlier one in the folder was stopped."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = Decay(scheduler=_halving)
    data = points(module, steps_per_epoch=SAVE_EVERY, resample_every=7)
    last = folder / "last.ckpt"
    callbacks = [ModelCheckpoint(folder, save_last=True), *([Pace(done)] if done is not None else [])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resume = last if last.exists() else None
        fit(module, folder, data, max_steps=steps, enable_checkpointing=True, callbacks=callbacks, ckpt_path=resume)


def _halving(optimizer: Optimizer) -> StepLR:
    return StepLR(optimizer, 50, gamma=0.5)


def server() -> Any:
    """Starts processes that have everything imported: it does so once, and each is a copy of it."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["lightning_autobalance.cli.lightning_cli"])
    return context


def run_tests(arguments: list[str], folder: Path, log: Path) -> None:
    """What a process does that runs tests of its own: here, where it can be imported from."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they are imported already, too late for pytest
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    sys.exit(int(pytest.main(arguments)))


def run_code(code: str, folder: Path, log: Path) -> None:
    """What a process does that runs code in a folder, without the checks of annotations; it writes to a file."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    warnings.simplefilter("ignore")
    exec(code, {})


def stopped(folder: Path, steps: int, number: signal.Signals, rng: random.Random) -> int:
    """Start the run in a process of its own and stop it 1 to 24 steps later, at any moment; give back the last step."""
    done = server().Value("q", -1, lock=False)
    process = server().Process(target=train_and_save, args=(folder, steps, done))
    process.start()
    while done.value < 0 and process.is_alive():
        time.sleep(0.002)
    until = done.value + rng.randint(1, 24)
    while done.value < until and process.is_alive():
        time.sleep(0.0005)
    time.sleep(rng.uniform(0, 0.01))
    if process.is_alive():
        os.kill(process.pid or 0, number)
    process.join()
    last: int = done.value
    return last
