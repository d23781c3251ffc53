"""What a figure of the solution shows: prediction, exact solution and error over two coordinates."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from numpy.typing import NDArray

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Box, Domain, Extended, Sobol, most_points, sample

BATCH = 90_000  # points of a reference at once
BEYOND = 0.02  # of the range of colours, from which a value is shown to lie beyond it
EDGE = 1024  # points of a boundary
Panel = tuple[str, NDArray[np.float64]]


def panels_of(
    module: PINNModule, field: str, axes: Sequence[NDArray[np.float64]], others: Sequence[float]
) -> list[Panel]:
    """Title and values of what there is to show: the prediction, and with an exact solution that and the error.

    Args:
        module: Gives the fields.
        field: One of them.
        axes: Places along the first one or two coordinates.
        others: Values of the further coordinates.

    Returns:
        Values are NaN outside the domain.
    """
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    rest = np.tile(others, (mesh[..., 0].size, 1))
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


def limits_of(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """The least and the largest finite number; None where there is none.

    Args:
        values: Of any shape.
    """
    shown = values[np.isfinite(values)]
    return (float(shown.min()), float(shown.max())) if shown.size else (None, None)


def colours(values: NDArray[np.float64], low: float | None, high: float | None) -> tuple[Colormap, str]:
    """A map of colours whose ends stand out where values lie beyond the limits: black below, red above.

    Args:
        values: Of any shape.
        low: Least value with a colour of its own; None for that of the values.
        high: Largest one.

    Returns:
        The map, and what the ``extend`` of its colour bar must be.
    """
    least, largest = limits_of(values)
    if low is None or high is None or least is None or largest is None:
        return colormaps["viridis"], "neither"
    slack = BEYOND * (high - low)
    beyond = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}
    extend = beyond[least < low - slack, largest > high + slack]
    return colormaps["viridis"].with_extremes(
        under="black" if extend in ("both", "min") else None, over="tab:red" if extend in ("both", "max") else None
    ), extend


def draw_edge(subplots: Sequence[Axes], domain: Domain) -> None:
    """Draw the boundary of a domain in the plane; a rectangle fills its picture and needs none.

    Args:
        subplots: To draw on.
        domain: Time and parameters have no boundary.
    """
    while isinstance(domain, Extended):
        domain = domain.base
    if len(domain.bounds) == 2 and not isinstance(domain, Box) and "boundary" in domain.parts:
        count = int(min(EDGE, most_points(domain, "boundary")))
        x, y = sample(domain, "boundary", count, Sobol(), seed=0, draw=0).T
        for axis in subplots:
            axis.plot(x, y, "k.", markersize=1, rasterized=True)


def slice_values(module: PINNModule) -> list[float]:
    """Values of the third coordinate and beyond: the final time, and the middle of any other.

    Args:
        module: Its domain has the coordinates.
    """
    known = module.reference.points if module.reference is not None else None
    bounds = module.domain.bounds if known is None else zip(known.min(axis=0), known.max(axis=0), strict=True)
    rest = list(zip(module.domain.coordinates, bounds, strict=True))[2:]
    return [high if name == "t" else (low + high) / 2 for name, (low, high) in rest]


def slice_title(module: PINNModule, values: Sequence[float]) -> str:
    """The values of a slice in words.

    Args:
        module: Its domain has the coordinates.
        values: Of the third coordinate and beyond.
    """
    named = zip(module.domain.coordinates[2:], values, strict=True)
    return "".join(f", {name} = {value:.3g}" for name, value in named)
