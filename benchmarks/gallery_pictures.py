"""Small pictures of known solutions, for the gallery."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import griddata

from lightning_autobalance import PINNModule
from lightning_autobalance.callbacks.figures import new_figure, pixels
from lightning_autobalance.callbacks.panels import slice_values

WIDTH, HEIGHT, DPI = 2.2, 1.6, 100  # inches, and pixels per inch
PLACES = 121  # along each axis
COLOURS = 255


def known(module: PINNModule) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Places along the first one or two coordinates, and the known values of the first field there.

    Args:
        module: A ready problem; further coordinates are at the middle, time at its end.

    Returns:
        Places along each axis, and values that are NaN outside the domain.

    Raises:
        ValueError: If there is no known solution.
    """
    reference, bounds = module.reference, list(module.domain.bounds[:2])
    if reference is not None:
        bounds = list(zip(reference.points[:, :2].min(axis=0), reference.points[:, :2].max(axis=0), strict=True))
    elif not module.has_exact:
        raise ValueError(f"`{type(module).__name__}` must have an exact or a reference solution, and has none to draw.")
    axes = [np.linspace(low, high, PLACES) for low, high in bounds]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    points = np.concatenate([mesh, np.tile(slice_values(module), (len(mesh), 1))], axis=1)
    if reference is not None:
        rest = reference.points[:, 2:]
        rows = (rest == slice_values(module)).all(axis=1)  # a triangulation in three dimensions takes half a minute
        values = griddata(reference.points[rows, :2], reference.values[rows, 0], mesh, rescale=True).reshape(-1)
    else:
        values = module.exact(torch.as_tensor(points, dtype=module.points_dtype))[:, 0].detach().double().numpy()
    inside = module.domain.contains(points)
    return axes, np.where(inside, values, np.nan).reshape([len(axis) for axis in axes])


def thumbnail(module: PINNModule, path: Path) -> None:
    """Draw the known solution of a problem, without axes.

    Args:
        module: A ready problem.
        path: Of the PNG; missing folders are made.
    """
    axes, values = known(module)
    figure = new_figure(WIDTH, HEIGHT)
    figure.patch.set_alpha(0.0)
    axis = figure.subplots()
    axis.set_axis_off()
    if len(axes) == 1:
        axis.plot(axes[0], values)
    else:
        extent = (*axes[0][[0, -1]], *axes[1][[0, -1]])
        axis.imshow(values.T, origin="lower", extent=extent, cmap="viridis", interpolation="bilinear")
        axis.set_aspect("auto" if "t" in module.domain.coordinates[:2] else "equal")
    figure.set_dpi(DPI)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.fromarray(pixels(figure))
    small = drawn.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    outside = drawn.getchannel("A").point([255] * 128 + [0] * 128)
    palette = [*(small.getpalette() or []), *[255] * (3 * COLOURS + 3)]  # one more colour, which is none
    small.putpalette(palette[: 3 * COLOURS + 3])
    small.paste(COLOURS, mask=outside)
    small.save(path, transparency=COLOURS)
