"""Who must see which step, for each callback that is known to be due at an interval."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    DeviceStatsMonitor,
    EarlyStopping,
    EMAWeightAveraging,
    LambdaCallback,
    LearningRateMonitor,
    ModelCheckpoint,
    ThroughputMonitor,
    Timer,
    TQDMProgressBar,
    WeightAveraging,
)

from helpers.toys import Decay
from lightning_autobalance.callbacks import HessianSpectrum, LossProgressBar, RichLossProgressBar
from lightning_autobalance.training.due_steps import next_due_step, per_step_hooks

FAR = 1000


class Every(Callback):
    def on_train_batch_end(self, *_: Any) -> None:
        pass


class Chosen(Every):
    def next_due_step(self, step: int) -> int | None:
        return 7 if step <= 7 else None


class NewerHook(Chosen):
    def on_train_batch_start(self, *_: Any) -> None:
        pass


class NewerRule(NewerHook):
    def next_due_step(self, step: int) -> int | None:
        return step + 2


class Average(WeightAveraging):
    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx == 5


class Checkpoint(ModelCheckpoint):
    def on_train_batch_end(self, *_: Any) -> None:
        pass


class Watching(Decay):
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        pass


class At(Trainer):
    """A Trainer with attributes in place of its properties."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattribute__(self, name: str) -> Any:
        values = object.__getattribute__(self, "__dict__")
        return values[name] if name in values else object.__getattribute__(self, name)


def at(step: int, *callbacks: Callback, module: Any = None, **options: Any) -> Trainer:
    """A Trainer during the step, in an epoch that began with step 0."""
    loop = SimpleNamespace(batch_idx=step, total_batch_idx=step, _batches_that_stepped=step)
    given: dict[str, Any] = {
        "num_training_batches": FAR,
        "max_steps": -1,
        "val_check_batch": None,
        "enable_validation": True,
        "check_val_every_n_epoch": 1,
        "loggers": [],
        "log_every_n_steps": 50,
    }
    made = {
        "callbacks": list(callbacks),
        "lightning_module": module or Decay(),
        "fit_loop": SimpleNamespace(epoch_loop=loop),
    }
    return At(**{**given, **made, **options})


def due(step: int, *callbacks: Callback, most: int = 100, **options: Any) -> int:
    return next_due_step(at(step, *callbacks, **options), step, most)


@pytest.mark.parametrize(
    ("callback", "expected"),  # from steps 0, 5 and 6
    [
        (Callback(), [100, 105, 106]),
        (EarlyStopping("val/mse"), [100, 105, 106]),
        (Every(), [0, 5, 6]),
        (Chosen(), [7, 7, 7]),
        (NewerHook(), [0, 5, 6]),
        (NewerRule(), [2, 7, 8]),
        (LambdaCallback(on_train_batch_end=lambda *_: None), [0, 5, 6]),
        (LambdaCallback(on_train_start=lambda *_: None), [100, 105, 106]),
        (ModelCheckpoint(every_n_train_steps=6), [5, 5, 11]),
        (ModelCheckpoint(every_n_epochs=1), [100, 105, 106]),
        (Checkpoint(every_n_train_steps=6), [0, 5, 6]),
        (EMAWeightAveraging(update_every_n_steps=5), [0, 5, 10]),
        (EMAWeightAveraging(update_every_n_steps=4, update_starting_at_step=6), [8, 8, 8]),
        (EMAWeightAveraging(update_every_n_steps=0, update_starting_at_epoch=1), [100, 105, 106]),
        (Average(), [0, 5, 6]),
        (WeightAveraging(), [0, 5, 6]),
        (HessianSpectrum(steps=[0, 6, 7]), [5, 5, 6]),
        (HessianSpectrum(), [100, 105, 106]),
        (LearningRateMonitor(), [100, 105, 106]),
        (DeviceStatsMonitor(), [100, 105, 106]),
        (Timer("00:00:01:00"), [100, 105, 106]),
        (ThroughputMonitor(lambda batch: 1), [0, 5, 6]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Callback) else "",
)
def test_callbacks(callback: Callback, expected: list[int]) -> None:
    assert [due(step, callback) for step in (0, 5, 6)] == expected


@pytest.mark.parametrize(
    ("bar", "most", "expected"),  # from step 15
    [
        (TQDMProgressBar(refresh_rate=1), 10, 19),
        (TQDMProgressBar(refresh_rate=1), 50, 49),
        (TQDMProgressBar(refresh_rate=15), 50, 59),
        (TQDMProgressBar(refresh_rate=0), 300, 315),
        (LossProgressBar(), 10, 19),
        (RichLossProgressBar(), 10, 19),
    ],
)
def test_a_progress_bar_moves_every_twenty_steps_or_every_call(bar: Callback, most: int, expected: int) -> None:
    assert due(15, bar, most=most) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_training_batches": 30}, 29),
        ({"max_steps": 21}, 20),
        ({"val_check_batch": 8}, 15),
        ({"val_check_batch": 8, "check_val_every_n_epoch": None}, 15),
        ({"val_check_batch": 8, "enable_validation": False}, 109),
        ({"val_check_batch": math.inf}, 109),
        ({"log_every_n_steps": 12}, 109),
        ({"log_every_n_steps": 12, "loggers": [None]}, 11),
        ({"log_every_n_steps": 0, "loggers": [None]}, 109),
        ({"num_training_batches": math.inf}, 9),
        ({"module": Watching()}, 9),
    ],
    ids=str,
)
def test_the_loop_itself(options: dict[str, Any], expected: int) -> None:
    assert due(9, **options) == expected


def test_the_first_who_is_due_counts() -> None:
    assert due(2, Chosen(), ModelCheckpoint(every_n_train_steps=5), max_steps=60) == 4


def test_those_that_watch_every_step_are_named() -> None:
    module = Watching()
    trainer = at(0, Every(), Chosen(), Timer("00:00:01:00"), Callback(), module=module)
    assert per_step_hooks(trainer) == ["`on_train_batch_end` of `Every`", "`on_train_batch_start` of `Watching`"]
