"""The errors of a run over its steps, also across a checkpoint."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from helpers.toys import Decay, fit, points
from lightning_autobalance.sweeps.error_history import ErrorHistory


def trained(folder: Path, max_steps: int, **options: Any) -> ErrorHistory:
    module, history = Decay(), ErrorHistory()
    callbacks = [history, ModelCheckpoint(folder, save_last=True)]
    data = points(module, steps_per_epoch=4)
    fit(module, folder, data, max_steps=max_steps, callbacks=callbacks, enable_checkpointing=True, **options)
    return history


def test_a_row_per_validation_without_the_sanity_check(tmp_path: Path) -> None:
    history = trained(tmp_path, 10, num_sanity_val_steps=2)
    assert [row["step"] for row in history.rows] == [4, 8, 10]
    assert all(row["val/rel_l2"] > 0 for row in history.rows)
    assert history.seconds > 0


@pytest.mark.filterwarnings("ignore:The dirpath has changed", "ignore:Checkpoint directory")
def test_rows_and_seconds_continue_after_a_checkpoint(tmp_path: Path) -> None:
    first = trained(tmp_path, 4)
    rest = trained(tmp_path, 8, ckpt_path=tmp_path / "last.ckpt")
    assert rest.rows[0] == first.rows[0]
    assert [row["step"] for row in rest.rows] == [4, 8]
    assert rest.seconds > first.seconds


def test_seconds_are_those_between_start_and_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 13.0, 20.0])
    monkeypatch.setattr("lightning_autobalance.sweeps.error_history.time.monotonic", lambda: next(times))
    history = ErrorHistory()
    metrics = {"val/mse": 0.5, "lr": 1.0}
    trainer: Any = Mock(spec=Trainer, sanity_checking=False, callback_metrics=metrics, global_step=3)
    module = Decay()
    module.latest = {"loss/pde": 2.0}
    history.on_train_start(trainer, module)
    history.on_validation_end(trainer, module)
    assert history.seconds == 3.0
    history.on_validation_end(trainer, module)
    assert history.seconds == 10.0
    assert history.rows == [{"step": 3, "val/mse": 0.5, "loss/pde": 2.0}] * 2
