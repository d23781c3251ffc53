"""The figures by name."""

import json
import runpy
from collections.abc import Callable, Iterable
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.figures.fields import heatmaps
from benchmarks.figures.history import balance, errors
from benchmarks.figures.rows import FOLDER, ROWS
from benchmarks.figures.spectra import spectra
from benchmarks.figures.style import save
from benchmarks.reproduction.conditioning import FILE
from benchmarks.reproduction.results import Results

Drawing = Callable[[Results], Figure | None]
QUADRATIC = Path("examples/quadratic_theory.py")


def draw(names: Iterable[str], results: Results, folder: Path) -> None:
    """Draw the named figures that have results.

    Args:
        folder: Folder of the PNGs.
    """
    for name in names:
        figure = DRAWINGS[name](results)
        if figure is not None:
            save(figure, folder / f"{name}.png")


def _spectra(results: Results) -> Figure | None:  # noqa: ARG001  its own results
    return spectra(json.loads(FILE.read_text())) if FILE.exists() else None


def _quadratic(results: Results) -> Figure | None:  # noqa: ARG001  computes all it shows
    return runpy.run_path(str(QUADRATIC))["draw"]() if QUADRATIC.exists() else None


def _fields(name: str) -> Drawing:
    return lambda results: heatmaps(*ROWS[name], FOLDER)  # noqa: ARG005  its own results


DRAWINGS: dict[str, Drawing] = {
    "quadratic": _quadratic,
    "figure1": _spectra,
    "figure2": balance,
    "figure3": errors,
    **{name: _fields(name) for name in ROWS},
}
