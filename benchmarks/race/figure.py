"""The figure of the race: the error over CPU seconds, one panel per row."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.accuracy_figure import Curve
from benchmarks.race.contenders import CONTENDERS
from benchmarks.race.results import Result, scored
from benchmarks.race.rows import ROWS
from lightning_autobalance.callbacks.figures import new_figure

COLUMNS = 3
POINTS = 300  # of a curve
START = 2.0  # CPU seconds at the left


def curve(lines: Sequence[Result], metric: str) -> Curve | None:
    """Median and range over the seeds; between two evaluations the logarithm is linear. None without numbers.

    Args:
        lines: Runs of one contender in one row, of the same budget.
        metric: What is judged.
    """
    tracks = []
    for line in lines:
        rows = [(row["seconds"], row["errors"].get(metric)) for row in line["history"]]
        tracks.append([(seconds, error) for seconds, error in rows if error])
    tracks = [track for track in tracks if track]
    if not tracks:
        return None
    end = max(track[-1][0] for track in tracks)
    seconds = np.geomspace(START, max(end, 2 * START), POINTS)
    logs = [np.interp(seconds, [t for t, _ in track], [np.log10(error) for _, error in track]) for track in tracks]
    values = 10 ** np.array(logs)
    return Curve(seconds, np.median(values, axis=0), values.min(axis=0), values.max(axis=0))


def draw(results: Sequence[Result], setting: str, out: Path) -> None:
    """One panel per row: medians as lines, ranges as bands; what was published and what is wanted as levels.

    Args:
        results: Lines of `race`.
        setting: Which of them.
        out: Path of the PNG.
    """
    height = -(-len(ROWS) // COLUMNS)
    figure = new_figure(11.0, 2.9 * height)
    panels = figure.subplots(height, COLUMNS).flat
    for panel, row in zip(panels, ROWS, strict=False):
        _panel(panel, [line for line in results if (line["row"], line["setting"]) == (row, setting)], row)
    for panel in list(figure.axes)[len(ROWS) :]:
        panel.set_visible(False)
    handles = [Line2D([], [], color=each.color, lw=2, label=each.title) for each in CONTENDERS.values()]
    handles.append(Line2D([], [], color="black", lw=1, ls="--", label="published, at best"))
    handles.append(Line2D([], [], color="black", lw=1, ls=":", label="wanted"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)


def _panel(panel: Axes, lines: Sequence[Result], row: str) -> None:
    of = ROWS[row]
    panel.set_title(of.title, fontsize=10, loc="left")
    for level, style in ((of.best, "--"), (of.target, ":")):
        if level is not None:
            panel.axhline(level, color="black", lw=1, ls=style)
    drawn = [_draw(panel, lines, name, of.metric) for name in reversed(CONTENDERS)]
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("CPU seconds, one thread", fontsize=8)
    panel.set_ylabel("relative L2 error", fontsize=8)
    panel.grid(visible=True, alpha=0.3)
    if not any(drawn):
        panel.text(0.5, 0.5, "not run", transform=panel.transAxes, ha="center", color="#555555")


def _draw(panel: Axes, lines: Sequence[Result], contender: str, metric: str) -> bool:
    mine = [line for line in lines if line["contender"] == contender and "failed" not in line and scored(line)]
    budget = max((line["budget"] for line in mine), default=0.0)
    found = curve([line for line in mine if line["budget"] == budget], metric)
    if found is None:
        return False
    color = CONTENDERS[contender].color
    panel.plot(found.seconds, found.median, color=color, lw=1.6)
    panel.fill_between(found.seconds, found.least, found.largest, color=color, alpha=0.15, lw=0)
    return True
