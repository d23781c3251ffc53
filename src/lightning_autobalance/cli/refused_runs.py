"""A run that is refused before its first step leaves no folder behind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_autobalance.training.logger_guard import has_started

MADE_BEFORE_THE_FIRST_STEP = ("config.yaml", "hparams.yaml", "events.out.tfevents.*")


@contextmanager
def removing_folders_of_refused_runs(trainer: Trainer) -> Iterator[None]:
    """While open: if the run is refused before its first step, the new folders of its loggers are removed.

    A folder that was there before, or that holds any other file, stays.
    """
    folders = [Path(folder) for logger in trainer.loggers if (folder := getattr(logger, "log_dir", None))]
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    except MisconfigurationException:
        if trainer.is_global_zero and not any(map(has_started, trainer.loggers)):
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    logger.experiment.close()  # or its thread writes into the folder once more
            for folder in filter(_holds_nothing_else, new):
                shutil.rmtree(folder, ignore_errors=True)
        raise


def _holds_nothing_else(folder: Path) -> bool:
    files = [path for path in folder.rglob("*") if not path.is_dir()] if folder.is_dir() else []
    return all(any(path.match(pattern) for pattern in MADE_BEFORE_THE_FIRST_STEP) for path in files)
