"""A run goes on where its logs cannot be written."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from helpers.toys import Decay, fit, points
from lightning_autobalance.training.logger_guard import LoggerGuard, _guarded

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's writer

LOGGERS: dict[str, Callable[[Path], Logger]] = {
    "csv": lambda folder: CSVLogger(folder, flush_logs_every_n_steps=1),
    "tensorboard": lambda folder: TensorBoardLogger(folder, max_queue=1, flush_secs=1),
}


class AtStep(Callback):
    """Does something to the run's folder after a step."""

    def __init__(self, step: int, what: Callable[[Path], object]) -> None:
        self.step = step
        self.what = what

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.what(Path(str(trainer.log_dir)))


def train(folder: Path, logger: Logger, what: Callable[[Path], object]) -> Trainer:
    module = Decay()
    data = points(module, steps_per_epoch=4)
    return fit(module, folder, data, max_steps=20, logger=logger, log_every_n_steps=1, callbacks=[AtStep(6, what)])


@pytest.mark.parametrize("name", LOGGERS)
def test_a_deleted_folder_is_made_again(name: str, tmp_path: Path) -> None:
    logger = LOGGERS[name](tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "The '.*_dataloader' does not have many workers")
        assert train(tmp_path, logger, shutil.rmtree).global_step == 20
    files = [path.name for path in Path(str(logger.log_dir)).iterdir()]  # type: ignore[attr-defined]
    assert any(name.startswith(("metrics.csv", "events.")) for name in files), files


def in_its_place(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


@pytest.mark.parametrize("name", LOGGERS)
def test_what_cannot_be_written_is_given_up_with_one_warning(name: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="must be able to write its files") as found:
        trainer = train(tmp_path, LOGGERS[name](tmp_path), in_its_place)
    assert trainer.global_step == 20
    said = [str(w.message) for w in found if "must be able to write its files" in str(w.message)]
    assert len(said) == 1
    assert "The run goes on without it" in said[0]


def test_before_the_first_step_it_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        fit(Decay(), tmp_path, max_steps=2, logger=CSVLogger(tmp_path / "file"), log_every_n_steps=1)


class Failing(CSVLogger):
    """Fails with what it is told."""

    error: Exception

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        raise self.error


def test_other_errors_than_those_of_the_file_system_are_raised(tmp_path: Path) -> None:
    logger = Failing(tmp_path)
    logger.error = ValueError("not a number")
    with pytest.raises(ValueError, match="not a number"):
        _guarded(logger, "log_metrics", {"a": 1.0})


def test_an_error_of_the_file_system_behind_another_one_is_found(tmp_path: Path) -> None:
    logger = Failing(tmp_path)
    logger.error = ValueError("you tried to log 1.0")
    logger.error.__cause__ = OSError("No space left on device")
    with pytest.warns(
        UserWarning, match="`logger` Failing must be able to write its files, got No space left on device"
    ):
        _guarded(logger, "log_metrics", {"a": 1.0})
    assert _guarded(logger, "log_metrics", {"a": 1.0}) is None  # silent from now on


def test_every_module_has_the_guard(tmp_path: Path) -> None:
    trainer = fit(Decay(), tmp_path, max_steps=1)
    assert sum(isinstance(callback, LoggerGuard) for callback in trainer.callbacks) == 1
