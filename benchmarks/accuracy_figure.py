"""The figure of `accuracy`: the error over CPU seconds, one panel per problem."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from benchmarks.accuracy import Cell, cells
from lightning_autobalance.callbacks.figures import new_figure

Result = Mapping[str, Any]
Floats = NDArray[np.float64]
PANELS = {
    "helmholtz_2d": "2-D Helmholtz",
    "reaction_diffusion_1d": "1-D reaction-diffusion",
    "poisson_inverse_2d": "2-D inverse Poisson, noise 0.01: error of a",
    "poisson_inverse_2d_no_noise": "2-D inverse Poisson, no noise: error of a",
}
SHOWN = {  # first phase and finish -> name, colour; the others stand in the table
    ("auto_soap", "lm"): ("AutoSOAP, then LevenbergMarquardt", "#0b6e4f"),
    ("auto_soap", "ssb"): ("AutoSOAP, then SelfScaledBroyden", "#8f5bb5"),
    ("auto_soap", "lbfgs"): ("AutoSOAP, then LBFGS", "#c2569b"),
    ("auto_adamw", "lm"): ("AutoAdamW, then LevenbergMarquardt", "#56b4a0"),
    ("adamw", "lm"): ("AdamW, then LevenbergMarquardt", "#b8a034"),
    ("auto_soap", ""): ("AutoSOAP", "#1f77b4"),
    ("auto_adamw", ""): ("AutoAdamW", "#d95f02"),
    ("adamw", ""): ("AdamW", "#555555"),
}
POINTS = 400  # of a curve
SHORT = 0.1  # of the longest curve: a shorter one makes the axis of time logarithmic


class Curve(NamedTuple):
    """A combination's error over time, over its seeds."""

    seconds: Floats  # (POINTS,)
    median: Floats
    least: Floats
    largest: Floats


def curves_of(results: Iterable[Result]) -> dict[str, dict[tuple[str, str], Curve]]:
    """The curve of every shown pair of first phase and finish, by problem: the first of the combinations.

    Args:
        results: Lines of `accuracy`.
    """
    lines: dict[Cell, list[Result]] = {}
    for line in results:
        lines.setdefault(Cell(**line["cell"]), []).append(line)
    found: dict[str, dict[tuple[str, str], Curve]] = {problem: {} for problem in PANELS}
    for cell in [each for each in cells() if each in lines]:
        pair = (cell.first, cell.finish)
        alone = cell.at_noise and not cell.finish  # the run of the whole budget is the one to compare with
        if pair in SHOWN and pair not in found[cell.problem] and not alone:  # the recommended ones come first
            found[cell.problem][pair] = curve(lines[cell])
    return found


def curve(lines: Sequence[Result]) -> Curve:
    """Median and range over the seeds. Where a run has ended, its last error counts on.

    Between two evaluations the logarithm of the error is linear.

    Args:
        lines: Runs of one combination.
    """
    end = max(line["history"][-1]["seconds"] for line in lines)
    seconds = np.linspace(0, end, POINTS)
    logs = []
    for line in lines:
        rows = line["history"]
        logs.append(np.interp(seconds, [row["seconds"] for row in rows], [np.log10(row["mse"]) for row in rows]))
    values = 10 ** np.array(logs)
    return Curve(seconds, np.median(values, axis=0), values.min(axis=0), values.max(axis=0))


def levels_of(today: Iterable[Result]) -> dict[str, dict[str, float]]:
    """The median errors of the 30,000 steps of `main_job`, by problem and method.

    Args:
        today: Lines of `main_job`.
    """
    errors: dict[tuple[str, str], list[float]] = {}
    for line in today:
        errors.setdefault((line["problem"], line["method"]), []).append(line["mse"])
    found: dict[str, dict[str, float]] = {problem: {} for problem in PANELS}
    for (problem, method), values in errors.items():
        if problem in found:
            found[problem][method] = statistics.median(values)
    return found


def draw(
    curves: Mapping[str, Mapping[tuple[str, str], Curve]],
    levels: Mapping[str, Mapping[str, float]],
    targets: Mapping[str, float],
    out: Path,
) -> None:
    """One panel per problem: medians as lines, ranges as bands.

    Args:
        curves: By problem and pair of first phase and finish.
        levels: Errors at the end of the 30,000 steps, by problem and method: a mark where a method has no curve.
        targets: The median that is wanted, by problem.
        out: Path of the PNG.
    """
    figure = new_figure(10.5, 7.6)
    for panel, (problem, title) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        _panel(panel, curves[problem], levels[problem], targets[problem])
        panel.set_title(title, fontsize=10, loc="left")
    used = {pair for each in curves.values() for pair in each}
    used |= {(method, "") for each in levels.values() for method in each if (method, "") in SHOWN}
    handles = [Line2D([], [], color=color, lw=2, label=name) for pair, (name, color) in SHOWN.items() if pair in used]
    handles.append(Line2D([], [], color="black", lw=1, ls=":", label="wanted"))
    handles.append(Line2D([], [], color="#555555", lw=1.2, ls="--", label="dashed: end of 30,000 steps"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def _panel(panel: Axes, curves: Mapping[tuple[str, str], Curve], levels: Mapping[str, float], target: float) -> None:
    for method, error in levels.items():
        if (method, "") in SHOWN and (method, "") not in curves:
            panel.axhline(error, color=SHOWN[method, ""][1], lw=1.2, ls="--")
    panel.axhline(target, color="black", lw=1, ls=":")
    for pair, found in reversed(list(curves.items())):  # the recommended one on top
        _curve(panel, found, SHOWN[pair][1])
    panel.set_yscale("log")
    _axis_of_time(panel, [float(found.seconds[-1]) for found in curves.values()])
    panel.set_ylabel("mean squared error")
    panel.grid(visible=True, alpha=0.3)
    if not curves:
        panel.text(0.5, 0.4, "not run yet", transform=panel.transAxes, ha="center", color="#555555")


def _curve(panel: Axes, found: Curve, color: str) -> None:
    panel.plot(found.seconds, found.median, color=color, lw=1.8)
    panel.fill_between(found.seconds, found.least, found.largest, color=color, alpha=0.15, lw=0)
    end = (float(found.seconds[-1]), float(found.median[-1]))
    panel.plot(*end, "o", color=color, ms=5)
    text = panel.annotate(f"{end[1]:.1e}", end, (7, -3), color=color, textcoords="offset points", fontsize=8)
    text.set_bbox({"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5})


def _axis_of_time(panel: Axes, ends: Sequence[float]) -> None:
    panel.set_xlabel("CPU seconds, one thread")
    if not ends:
        panel.set_xticks([])
    elif min(ends) < SHORT * max(ends):
        panel.set_xscale("log")
        panel.set_xlim(0.5, 2.2 * max(ends))
    else:
        panel.set_xlim(0, 1.18 * max(ends))
