"""Saving figures to files and to loggers that accept images."""

from pathlib import Path

import numpy as np
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_warn
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that needs no display and, being unknown to pyplot, need not be closed.

    Args:
        width: In inches.
        height: In inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def run_folder(trainer: Trainer) -> Path:
    """The folder of the run's files: that of the first logger, or else the default root of the Trainer.

    Unlike ``trainer.log_dir``, it involves no communication, so that one process may call it alone.
    """
    logger = trainer.loggers[0] if trainer.loggers else None
    folder = getattr(logger, "log_dir", None) or getattr(logger, "save_dir", None)
    return Path(folder or trainer.default_root_dir)


def save_figure(trainer: Trainer, figure: Figure, folder: str, name: str, key: str, *, numbered: bool = True) -> None:
    """Save a figure as ``<run folder>/<folder>/<name>_step<n>.png``, and send it to the loggers.

    Where one of them cannot be written, a warning says so and the run goes on.

    Args:
        trainer: Its step is the n of the file name.
        figure: Made by `new_figure`.
        folder: Folder for figures of this kind, such as ``plots``.
        name: Start of the file name.
        key: Name of the image in the loggers, such as ``solution/u``.
        numbered: Whether the file name has the step.
    """
    ending = f"_step{trainer.global_step}" if numbered else ""
    path = run_folder(trainer) / folder / f"{name}{ending}.png"
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once; every later rendering would repeat it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
        for logger in trainer.loggers:
            log_figure(logger, figure, key, trainer.global_step)
    except OSError as error:
        rank_zero_warn(f"The figure {key} must be written to {path} and to the loggers, got {error}. The run goes on.")


def log_figure(logger: Logger, figure: Figure, key: str, step: int) -> None:
    """Send a figure to a logger that accepts images (TensorBoard, Weights & Biases, MLflow); others are skipped.

    Args:
        logger: Any logger of Lightning.
        figure: Made by `new_figure`.
        key: Name of the image, such as ``solution/u``.
        step: Number of optimizer steps taken so far.
    """
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_figure(key, figure, step, close=True)
    elif isinstance(logger, WandbLogger):
        logger.log_image(key, [pixels(figure)], step=step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_figure(logger.run_id, figure, f"{key}_step{step}.png")


def pixels(figure: Figure) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """A figure of `new_figure` as an RGBA image, (height, width, 4).

    Raises:
        TypeError: If the figure has no Agg canvas.
    """
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        raise TypeError(f"`figure` must have an Agg canvas, got {type(canvas).__name__}. Make it with `new_figure`.")
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
