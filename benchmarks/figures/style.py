"""Layout, colours and file format of the figures."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

DPI = 80
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#d62728")


def panels(count: int, *, width: float = 4.4, height: float = 3.6) -> tuple[Figure, list[Any]]:
    """A figure with panels side by side.

    Args:
        width: Width of a panel in inches.
        height: Height in inches.
    """
    figure = Figure(figsize=(width * count, height), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def save(figure: Figure, path: Path) -> None:
    """Write a PNG.

    Args:
        path: Path of the PNG; missing folders are created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"font.size": 9}):
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
