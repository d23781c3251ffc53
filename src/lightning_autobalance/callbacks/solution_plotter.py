"""Figures of the solution: prediction, exact solution and error."""

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightning_autobalance.callbacks.figures import new_figure, save_figure
from lightning_autobalance.callbacks.panels import Panel, draw_edge, limits_of, panels_of, slice_title, slice_values
from lightning_autobalance.callbacks.time_slices import draw_instants, has_instants
from lightning_autobalance.module import PINNModule


class SolutionPlotter(Callback):
    """Plots each field, as a PNG in the run's folder and in the loggers, during ``fit`` and at its end.

    One coordinate is plotted as curves, two as heatmaps. With more, the heatmaps show a slice: at the final time, and
    at the middle of any other coordinate after the second; at the end of ``fit``, a further figure, ``u_times``, shows
    four instants of u(x, y, t). What is outside the domain stays blank, and the boundary of a domain in the plane that
    is no rectangle is drawn. A reference, and the error at its points, are interpolated between them, with up to three
    coordinates. Without a solution to compare with, only the prediction is shown. No display is needed.

    Args:
        every_n_epochs: Plot also at the end of every n-th epoch; 0 plots at the end of ``fit`` only. A figure takes
            about half a second.
        resolution: Number of points along each axis, >= 2.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, every_n_epochs: int = 5, resolution: int = 201) -> None:
        if every_n_epochs < 0:
            raise ValueError(f"`every_n_epochs` must be >= 0 (0 draws only at the end), got {every_n_epochs}.")
        if resolution < 2:
            raise ValueError(f"`resolution` must be >= 2, got {resolution}.")
        self.every_n_epochs = every_n_epochs
        self.resolution = resolution
        self._last_plotted = -1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Plot at the end of every n-th epoch."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Plot the final state, unless the last epoch did, and instants of it."""
        if trainer.global_step != self._last_plotted:
            self._draw(trainer, pl_module)
        self._draw_times(trainer, pl_module)

    @rank_zero_only
    def _draw(self, trainer: Trainer, module: LightningModule) -> None:
        if not isinstance(module, PINNModule) or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._last_plotted = trainer.global_step
        for field in module.fields:
            save_figure(trainer, draw(module, field, self.resolution), "plots", field, f"solution/{field}")

    @rank_zero_only
    def _draw_times(self, trainer: Trainer, module: LightningModule) -> None:
        if not isinstance(module, PINNModule) or trainer.fast_dev_run or not has_instants(module.domain):  # type: ignore[attr-defined]
            return
        for field in module.fields:
            figure = draw_instants(module, field, self.resolution)
            save_figure(trainer, figure, "plots", f"{field}_times", f"solution/{field}_times")


def draw(module: PINNModule, field: str, resolution: int = 201) -> Figure:
    """Plot one field of a module; with an exact solution, also that and the error.

    Args:
        module: The module that gives the field, its domain and its exact solution.
        field: One of the module's ``fields``.
        resolution: Number of points along each axis.
    """
    axes = [np.linspace(low, high, resolution) for low, high in module.domain.bounds[:2]]
    values = slice_values(module)
    panels = panels_of(module, field, axes, values)
    figure = new_figure(4.6 * (len(panels) if len(axes) == 2 else 2), 3.8)
    if len(axes) == 1:
        _curves(figure, axes[0], panels, module.domain.coordinates[0])
    else:
        subplots = _heatmaps(figure, axes, panels, module.domain.coordinates)
        draw_edge(subplots, module.domain)
    figure.suptitle(f"{type(module).__name__}, step {module.global_step}" + slice_title(module, values))
    return figure


def _curves(figure: Figure, x: NDArray[np.float64], panels: list[Panel], coordinate: str) -> None:
    left, right = figure.subplots(1, 2)
    for (label, values), style in zip(panels[:2], ("-", "--"), strict=False):
        left.plot(x, values, style, label=label)
    left.legend()
    right.set_title(panels[-1][0])
    right.plot(x, panels[-1][1], color="tab:red")
    for axis in (left, right):
        axis.set_xlabel(coordinate)


def _heatmaps(
    figure: Figure, axes: list[NDArray[np.float64]], panels: list[Panel], coordinates: tuple[str, ...]
) -> list[Axes]:
    limits = limits_of([values for title, values in panels if "error" not in title][-1])
    subplots: list[Axes] = list(np.atleast_1d(np.asarray(figure.subplots(1, len(panels), sharex=True, sharey=True))))
    for axis, (title, values) in zip(subplots, panels, strict=True):
        low, high = (None, None) if "error" in title else limits
        color = "magma" if "error" in title else "viridis"
        image = axis.pcolormesh(axes[0], axes[1], values.T, vmin=low, vmax=high, cmap=color, rasterized=True)
        figure.colorbar(image, ax=axis)
        axis.set_title(title)
        axis.set_xlabel(coordinates[0])
    subplots[0].set_ylabel(coordinates[1])
    return subplots
