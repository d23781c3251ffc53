"""A log that cannot be written costs a warning, not the run."""

import os
from contextlib import suppress
from functools import partial
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_warn

METHODS = ("log_metrics", "log_hyperparams", "save", "finalize")


class LoggerGuard(Callback):
    """From the first step on, loggers whose files cannot be written are opened anew once, and given up after that.

    A folder that was deleted in the middle of a run is made again. On a full disk or a folder that became read-only,
    one warning names the logger, and the run goes on without it. Before the first step such an error ends the run.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Guard the loggers of the run."""
        for logger in trainer.loggers:
            for name in METHODS:
                if name not in vars(logger):
                    setattr(logger, name, partial(_guarded, logger, name))


def has_started(logger: Logger) -> bool:
    """Whether a run with this logger has begun its first step."""
    return METHODS[0] in vars(logger)


def _guarded(logger: Logger, name: str, *args: Any, **kwargs: Any) -> Any:
    if getattr(logger, "_given_up", False):
        return None
    write = partial(getattr(type(logger), name), logger, *args, **kwargs)
    try:
        return write()
    except Exception as error:
        if _os_error(error) is None:
            raise
    _open_anew(logger)
    try:
        return write()
    except Exception as error:
        if (reason := _os_error(error)) is None:
            raise
        logger._given_up = True  # type: ignore[attr-defined]
        rank_zero_warn(
            f"`logger` {type(logger).__name__} must be able to write its files, got {reason}. The run goes on without "
            "it; checkpoints are not affected."
        )
    return None


def _os_error(error: BaseException | None) -> OSError | None:
    """The error of the file system behind an error: Lightning's TensorBoardLogger raises a ValueError of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _open_anew(logger: Logger) -> None:
    with suppress(OSError):
        if folder := getattr(logger, "log_dir", None):
            os.makedirs(folder, exist_ok=True)
    if hasattr(logger, "_experiment"):  # Lightning's loggers make another one when it is next used
        logger._experiment = None
