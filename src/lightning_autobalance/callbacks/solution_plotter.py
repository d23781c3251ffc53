"""Figures of the solution: prediction, exact solution and error."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightning_autobalance.callbacks.figures import new_figure, save_figure
from lightning_autobalance.callbacks.panels import (
    Panel,
    colours,
    draw_edge,
    limits_of,
    panels_of,
    slice_title,
    slice_values,
)
from lightning_autobalance.callbacks.time_slices import draw_instants, has_instants
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule

FIRST = 64  # steps after which the first early figure may come
SHARE = 0.05  # of the time, for early figures
Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


class SolutionPlotter(Callback):
    """Plots each field, as a PNG in the run's folder and in the loggers: before ``fit``, during it and at its end.

    One coordinate is plotted as curves, two as heatmaps. With more, the heatmaps show a slice: at the final time, and
    at the middle of any other coordinate after the second; at the end of ``fit``, a further figure, ``u_times``, shows
    four instants of u(x, y, t). What is outside the domain stays blank, and the boundary of a domain in the plane that
    is no rectangle is drawn. A reference, and the error at its points, are interpolated between them, with up to three
    coordinates. Without a solution to compare with, only the prediction is shown. Colours have the range
    of the solution; what lies beyond is black or red. Measurements are drawn beside curves. No display is needed.

    Args:
        every_n_epochs: Plot also at the end of every n-th epoch; 0 does not. A figure takes about half a second.
        resolution: Number of points along each axis, >= 2.
        early: Plot also before the first step, and after 64, 128, 256, ... steps where such figures have taken less
            than 5 % of the time.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, every_n_epochs: int = 5, resolution: int = 201, early: bool = True) -> None:
        if every_n_epochs < 0:
            raise ValueError(f"`every_n_epochs` must be >= 0 (0 draws only at the end), got {every_n_epochs}.")
        if resolution < 2:
            raise ValueError(f"`resolution` must be >= 2, got {resolution}.")
        self.every_n_epochs = every_n_epochs
        self.resolution = resolution
        self.early = early
        self._last_plotted = -1
        self._began = self._spent = self._longest = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Plot the state before the first step."""
        if self.early and trainer.global_step == 0:
            self._draw(trainer, pl_module)
        self._began, self._spent = time.monotonic(), 0.0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        """Plot after a number of steps that is a power of two, if there is time for it."""
        step = trainer.global_step
        if self.early and step >= FIRST and step & (step - 1) == 0 and step != self._last_plotted:
            start = time.monotonic()
            if self._spent + self._longest <= SHARE * (start - self._began):
                self._draw(trainer, pl_module)
                self._spent += time.monotonic() - start

    def next_due_step(self, step: int) -> int | None:
        """The next step after which it may plot."""
        return max(FIRST, 1 << step.bit_length()) - 1 if self.early else None

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
        start = time.monotonic()
        for field in module.fields:
            figure = draw(module, field, self.resolution, _measured(trainer, module, field))
            save_figure(trainer, figure, "plots", field, f"solution/{field}")
        self._longest = max(self._longest, time.monotonic() - start)

    @rank_zero_only
    def _draw_times(self, trainer: Trainer, module: LightningModule) -> None:
        if not isinstance(module, PINNModule) or trainer.fast_dev_run or not has_instants(module.domain):  # type: ignore[attr-defined]
            return
        for field in module.fields:
            figure = draw_instants(module, field, self.resolution)
            save_figure(trainer, figure, "plots", f"{field}_times", f"solution/{field}_times")


def _measured(trainer: Trainer, module: PINNModule, field: str) -> list[Rows]:
    data: Any = getattr(trainer, "datamodule", None)
    one = len(module.domain.coordinates) == 1 and isinstance(data, CollocationPoints)
    return data.measurements.of_field(field) if one else []


def draw(module: PINNModule, field: str, resolution: int = 201, measured: Sequence[Rows] = ()) -> Figure:
    """Plot one field of a module; with an exact solution, also that and the error.

    Args:
        module: The module that gives the field, its domain and its exact solution.
        field: One of the module's ``fields``.
        resolution: Number of points along each axis.
        measured: Places, (n, 1), and values, (n,), of each set of measurements; drawn with curves only.
    """
    axes = [np.linspace(low, high, resolution) for low, high in module.domain.bounds[:2]]
    values = slice_values(module)
    panels = panels_of(module, field, axes, values)
    figure = new_figure(4.6 * (len(panels) if len(axes) == 2 else min(len(panels), 2)), 3.8)
    if len(axes) == 1:
        _curves(figure, axes[0], panels, module.domain.coordinates[0], measured)
    else:
        subplots = _heatmaps(figure, axes, panels, module.domain.coordinates)
        draw_edge(subplots, module.domain)
    figure.suptitle(f"{type(module).__name__}, step {module.global_step}" + slice_title(module, values))
    return figure


def _curves(
    figure: Figure, x: NDArray[np.float64], panels: list[Panel], coordinate: str, measured: Sequence[Rows]
) -> None:
    subplots = figure.subplots(1, min(len(panels), 2), squeeze=False)[0]
    left = subplots[0]
    for i, (places, values) in enumerate(measured):
        left.plot(places[:, 0], values, ".", color="0.6", markersize=4, label=None if i else "measured")
    for (label, values), style in zip(panels[:2], ("-", "--"), strict=False):
        left.plot(x, values, style, label=label)
    left.legend()
    if len(panels) > 1:
        subplots[1].set_title(panels[-1][0])
        subplots[1].plot(x, panels[-1][1], color="tab:red")
    for axis in subplots:
        axis.set_xlabel(coordinate)


def _heatmaps(
    figure: Figure, axes: list[NDArray[np.float64]], panels: list[Panel], coordinates: tuple[str, ...]
) -> list[Axes]:
    limits = limits_of([values for title, values in panels if "error" not in title][-1])
    subplots: list[Axes] = list(np.atleast_1d(np.asarray(figure.subplots(1, len(panels), sharex=True, sharey=True))))
    for axis, (title, values) in zip(subplots, panels, strict=True):
        low, high = (None, None) if "error" in title else limits
        color, extend = ("magma", "neither") if "error" in title else colours(values, low, high)
        image = axis.pcolormesh(axes[0], axes[1], values.T, vmin=low, vmax=high, cmap=color, rasterized=True)
        figure.colorbar(image, ax=axis, extend=extend)
        axis.set_title(title)
        axis.set_xlabel(coordinates[0])
    subplots[0].set_ylabel(coordinates[1])
    return subplots
