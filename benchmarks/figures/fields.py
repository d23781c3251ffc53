"""Figures 4 to 9: exact solution, predictions and errors."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.figures.rows import Row
from benchmarks.reproduction.paper import METHODS, PROBLEMS, VARIANTS


def heatmaps(problem: str, rows: Sequence[Row], folder: Path) -> Figure | None:
    """One row for the exact solution, then one per run: prediction and absolute error.

    Args:
        problem: Name in the results, such as ``helmholtz_2d``.
        rows: Variant and method of the runs, seed 0.
        folder: Output folder of `python -m benchmarks fields`.

    Returns:
        None where there is no run.
    """
    found = {row: _read(folder / f"{problem}-{row[0]}-{row[1]}-0") for row in rows}
    there = [saved for saved in found.values() if saved is not None]
    if not there:
        return None
    figure = Figure(figsize=(8.5, 2.6 * (len(rows) + 1)), layout="constrained")
    axes = figure.subplots(len(rows) + 1, 2, squeeze=False)
    exact, extent = there[0]["exact"], there[0]["extent"]
    limits = {"vmin": float(exact.min()), "vmax": float(exact.max())}
    _map(figure, axes[0][0], exact, extent, "exact", limits)
    axes[0][1].axis("off")
    for (left, right), (row, saved) in zip(axes[1:], found.items(), strict=True):
        if saved is None:
            left.text(0.5, 0.5, f"{title(row)}: not trained yet", ha="center", va="center")
            left.axis("off")
            right.axis("off")
            continue
        _map(figure, left, exact + saved["error"], extent, f"{title(row)}, {saved['iterations']:,} steps", limits)
        _map(figure, right, np.abs(saved["error"]), extent, "absolute error", {})
    figure.suptitle(f"{PROBLEMS[problem]}, seed 0")
    return figure


def title(row: Row) -> str:
    """Title of a run in the figure.

    Args:
        row: Variant and method.
    """
    variant, method = row
    return METHODS[method] if variant == "plain" else f"{VARIANTS[variant]}, {METHODS[method]}"


def _read(stem: Path) -> dict[str, Any] | None:
    path = stem.with_suffix(".npz")
    if not path.exists():
        return None
    with np.load(path) as saved:
        told = json.loads(str(saved["told"]))
        return {"error": saved["error"].astype(float), "exact": saved["exact"].astype(float), **told}


def _map(figure: Figure, axes: Any, values: Any, extent: Sequence[float], name: str, limits: dict[str, float]) -> None:
    image = axes.imshow(values.T, origin="lower", extent=extent, aspect="auto", **limits)
    axes.set_title(name)
    figure.colorbar(image, ax=axes)
