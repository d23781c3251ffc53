"""Where figures go: files, and every logger that takes pictures."""

from pathlib import Path

import numpy as np
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that needs no display and that pyplot does not know, so that nobody must close it.

    Args:
        width: In inches.
        height: In inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def run_folder(trainer: Trainer) -> Path:
    """The folder of the run's files: that of the first logger, or the Trainer's own.

    Unlike ``trainer.log_dir`` this may be asked for by one process alone.

    Args:
        trainer: The run.
    """
    logger = trainer.loggers[0] if trainer.loggers else None
    folder = getattr(logger, "log_dir", None) or getattr(logger, "save_dir", None)
    return Path(folder or trainer.default_root_dir)


def save_figure(trainer: Trainer, figure: Figure, folder: str, name: str, key: str) -> None:
    """Save a figure as ``<run folder>/<folder>/<name>_step<n>.png`` and hand it to the loggers.

    Args:
        trainer: The run.
        figure: The picture.
        folder: Of its kind, such as ``plots``.
        name: Of the file.
        key: In the loggers, such as ``solution/u``.
    """
    path = run_folder(trainer) / folder / f"{name}_step{trainer.global_step}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out; each further rendering would do it again
    figure.savefig(path, dpi=150)
    for logger in trainer.loggers:
        log_figure(logger, figure, key, trainer.global_step)


def log_figure(logger: Logger, figure: Figure, key: str, step: int) -> None:
    """Hand a figure to a logger that takes pictures: TensorBoard, Weights & Biases, MLflow; others get none.

    Args:
        logger: The logger.
        figure: The picture.
        key: Its name, such as ``solution/u``.
        step: Optimizer steps done.
    """
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_figure(key, figure, step, close=True)
    elif isinstance(logger, WandbLogger):
        logger.log_image(key, [pixels(figure)], step=step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_figure(logger.run_id, figure, f"{key}_step{step}.png")


def pixels(figure: Figure) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """A figure as an image, (height, width, 4).

    Args:
        figure: Made by `new_figure`.
    """
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        raise TypeError(f"`figure` must have an Agg canvas, got {type(canvas).__name__}. Make it with `new_figure`.")
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
