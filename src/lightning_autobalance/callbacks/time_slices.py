"""A field over two coordinates at several instants, in one figure."""

import numpy as np
from matplotlib.figure import Figure

from lightning_autobalance.callbacks.figures import new_figure
from lightning_autobalance.callbacks.panels import colours, draw_edge, limits_of, panels_of, slice_values
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Domain

INSTANTS = 4


def has_instants(domain: Domain) -> bool:
    """Whether time comes after the two coordinates that a figure shows.

    Args:
        domain: Of the fields.
    """
    return "t" in domain.coordinates[2:]


def draw_instants(module: PINNModule, field: str, resolution: int = 201) -> Figure:
    """A column per instant: the prediction, and with an exact solution that and the error below.

    Args:
        module: Gives the field; its domain `has_instants`.
        field: One of the module's ``fields``.
        resolution: Number of points along each axis.
    """
    domain = module.domain
    axes = [np.linspace(low, high, resolution) for low, high in domain.bounds[:2]]
    place = domain.coordinates.index("t")
    times, others = np.linspace(*domain.bounds[place], INSTANTS).tolist(), slice_values(module)
    columns = []
    for time in times:
        others[place - 2] = time
        columns.append(panels_of(module, field, axes, others))
    rows = [(row[0][0], [values for _, values in row]) for row in zip(*columns, strict=True)]
    figure = new_figure(3.0 * INSTANTS + 1, 2.7 * len(rows) + 0.5)
    subplots = figure.subplots(len(rows), INSTANTS, sharex=True, sharey=True, squeeze=False)
    for own, (title, shown) in zip(subplots, rows, strict=True):
        is_error = "error" in title
        low, high = limits_of(np.array(shown if is_error or len(rows) == 1 else rows[1][1]))
        color, extend = ("magma", "neither") if is_error else colours(np.array(shown), low, high)
        for axis, values in zip(own, shown, strict=True):
            image = axis.pcolormesh(*axes, values.T, vmin=low, vmax=high, cmap=color, rasterized=True)
        figure.colorbar(image, ax=list(own), label=title, extend=extend)
        own[0].set_ylabel(domain.coordinates[1])
    for axis, time in zip(subplots[0], times, strict=True):
        axis.set_title(f"t = {time:.3g}")
    for axis in subplots[-1]:
        axis.set_xlabel(domain.coordinates[0])
        axis.locator_params(axis="x", nbins=3)  # so that the ends of two axes do not meet
    draw_edge(subplots.ravel().tolist(), domain)
    fixed = "".join(f", {n} = {x:.3g}" for n, x in zip(domain.coordinates[2:], others, strict=True) if n != "t")
    figure.suptitle(f"{type(module).__name__}, step {module.global_step}{fixed}")
    return figure
