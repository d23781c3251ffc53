"""Figures of the solution: prediction, exact solution and error."""

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightning_autobalance.callbacks.figures import new_figure, save_figure
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Box, Domain, Extended, Sobol, most_points, sample

BATCH = 90_000  # points of a reference at once
EDGE = 1024  # points of a boundary
Panel = tuple[str, NDArray[np.float64]]


class SolutionPlotter(Callback):
    """Plots each field, as a PNG in the run's folder and in the loggers, during ``fit`` and at its end.

    One coordinate is plotted as curves, two as heatmaps. With more, the heatmaps show a slice: at the final time, and
    at the middle of any other coordinate after the second. What is outside the domain stays blank, and the boundary of
    a domain in the plane that is no rectangle is drawn. A reference, and the error at its points, are interpolated
    between them, with up to three coordinates. Without a solution to compare with, only the prediction is shown. No
    display is needed.

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
        """Plot the final state, unless the last epoch did."""
        if trainer.global_step != self._last_plotted:
            self._draw(trainer, pl_module)

    @rank_zero_only
    def _draw(self, trainer: Trainer, module: LightningModule) -> None:
        if not isinstance(module, PINNModule) or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._last_plotted = trainer.global_step
        for field in module.fields:
            save_figure(trainer, draw(module, field, self.resolution), "plots", field, f"solution/{field}")


def draw(module: PINNModule, field: str, resolution: int = 201) -> Figure:
    """Plot one field of a module; with an exact solution, also that and the error.

    Args:
        module: The module that gives the field, its domain and its exact solution.
        field: One of the module's ``fields``.
        resolution: Number of points along each axis.
    """
    axes = [np.linspace(low, high, resolution) for low, high in module.domain.bounds[:2]]
    panels = _panels(module, field, axes)
    figure = new_figure(4.6 * (len(panels) if len(axes) == 2 else 2), 3.8)
    if len(axes) == 1:
        _curves(figure, axes[0], panels, module.domain.coordinates[0])
    else:
        subplots = _heatmaps(figure, axes, panels, module.domain.coordinates)
        _draw_edge(subplots, module.domain)
    figure.suptitle(f"{type(module).__name__}, step {module.global_step}" + _slice_title(module))
    return figure


def _panels(module: PINNModule, field: str, axes: list[NDArray[np.float64]]) -> list[Panel]:
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    rest = np.tile(_slice_values(module), (mesh[..., 0].size, 1))
    points = np.concatenate([mesh.reshape(-1, len(axes)), rest], axis=1)
    column, shape = module.fields.index(field), mesh.shape[:-1]
    outside = ~module.domain.contains(points).reshape(shape)
    x = torch.as_tensor(points, dtype=module.points_dtype, device=module.device)

    def values(fields: torch.Tensor) -> NDArray[np.float64]:
        numbers: NDArray[np.float64] = fields[:, column].detach().double().cpu().numpy().reshape(shape)
        return np.where(outside, np.nan, numbers)

    with torch.no_grad():
        predicted = values(module(x))
        if (reference := module.reference) is not None and field in reference.fields:
            label, there = "reference", (reference.values[:, reference.fields.index(field)], _error(module, field))
            known, error = (np.where(outside, np.nan, reference.between(u, points).reshape(shape)) for u in there)
        elif reference is None and module.has_exact:
            label, known = "exact", values(module.exact(x))
            error = abs(predicted - known)
        else:
            return [(field, predicted)]
    if np.isnan(known).all():
        return [(field, predicted)]
    return [(f"{field}, predicted", predicted), (f"{field}, {label}", known), ("absolute error", error)]


def _error(module: PINNModule, field: str) -> NDArray[np.float64]:
    """Absolute error at the points of the reference: at a front, interpolated values have larger errors than these."""
    if module.reference is None:
        return np.empty(0)
    column, found = module.fields.index(field), []
    for x, u in module.reference.batches([field], module.points_dtype, BATCH):
        found.append((module(x.to(module.device))[:, column].cpu() - u[:, 0]).abs().double())
    error: NDArray[np.float64] = torch.cat(found).numpy()
    return error


def _draw_edge(subplots: list[Axes], domain: Domain) -> None:
    """The boundary of a domain in the plane; a rectangle fills its picture and needs none."""
    while isinstance(domain, Extended):  # time and parameters have no boundary
        domain = domain.base
    if len(domain.bounds) == 2 and not isinstance(domain, Box) and "boundary" in domain.parts:
        count = int(min(EDGE, most_points(domain, "boundary")))
        x, y = sample(domain, "boundary", count, Sobol(), seed=0, draw=0).T
        for axis in subplots:
            axis.plot(x, y, "k.", markersize=1, rasterized=True)


def _slice_values(module: PINNModule) -> list[float]:
    """Values of the third coordinate and beyond."""
    known = module.reference.points if module.reference is not None else None
    bounds = module.domain.bounds if known is None else zip(known.min(axis=0), known.max(axis=0), strict=True)
    rest = list(zip(module.domain.coordinates, bounds, strict=True))[2:]
    return [high if name == "t" else (low + high) / 2 for name, (low, high) in rest]


def _slice_title(module: PINNModule) -> str:
    values = zip(module.domain.coordinates[2:], _slice_values(module), strict=True)
    return "".join(f", {name} = {value:.3g}" for name, value in values)


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
    shared = [values for title, values in panels if "error" not in title][-1]
    shown = shared[np.isfinite(shared)]
    limits = (float(shown.min()), float(shown.max())) if shown.size else (None, None)
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
