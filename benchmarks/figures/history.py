"""Figures 2 and 3: balance and errors over training, from the log of the runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.figures.style import COLOURS, panels
from benchmarks.reproduction.paper import METHODS, OURS, PROBLEMS
from benchmarks.reproduction.results import Line, Results
from benchmarks.reproduction.verdicts import PAIR, WATCHED

KINDS = {"grad": "gradients", "update": "updates"}


def balance(results: Results) -> Figure | None:
    """Figure 2: norm ratios and cosines of the terms' gradients and updates; one line per seed.

    Returns:
        None where there is no run to show.
    """
    lines = results.cell(WATCHED, OURS).lines
    if not lines:
        return None
    figure, (ratios, cosines) = panels(2, width=5)
    for (kind, title), colour in zip(KINDS.items(), COLOURS, strict=False):
        for i, line in enumerate(lines):
            label = title if i == 0 else None
            ratios.plot(*series(line, f"balance/{kind}_ratio/{PAIR}"), color=colour, alpha=0.8, label=label)
            cosines.plot(*series(line, f"balance/{kind}_cos/{PAIR}"), color=colour, alpha=0.8, label=label)
    ratios.axhline(1, color="black", linewidth=0.8, linestyle="--", label="balance")
    ratios.set(yscale="log", ylabel="norm of pde / norm of boundary", xlabel="step", title="Norm ratio")
    cosines.axhline(0, color="black", linewidth=0.8, linestyle="--")
    cosines.set(ylim=(-1.05, 1.05), ylabel="cosine of pde and boundary", xlabel="step", title="Alignment")
    for axes in (ratios, cosines):
        axes.legend(frameon=False)
    figure.suptitle(f"{PROBLEMS[WATCHED]}, {METHODS[OURS]}, {len(lines)} seeds")
    return figure


def errors(results: Results) -> Figure | None:
    """Figure 3: the mean squared error over training; median of the seeds, and their range.

    Returns:
        None where there is no run to show.
    """
    if not results.lines:
        return None
    figure, axes = panels(len(PROBLEMS))
    for panel, (problem, title) in zip(axes, PROBLEMS.items(), strict=True):
        for (method, name), colour in zip(METHODS.items(), COLOURS, strict=True):
            found = [series(line, "val/mse") for line in results.cell(problem, method).lines]
            if found:
                _band(panel, found, colour, name, emphasised=method == OURS)
        panel.set(yscale="log", xlabel="step", title=title)
    axes[0].set_ylabel("MSE: median, range of the seeds")
    labels = {text: drawn for panel in axes for drawn, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), frameon=False, title="method", loc="outside right center")
    return figure


def series(line: Line, key: str) -> tuple[list[int], list[float]]:
    """Steps and values of a logged number.

    Args:
        key: Name of the number in the log.
    """
    rows = [(row["step"], row[key]) for row in line["history"] if key in row]
    return [step for step, _ in rows], [value for _, value in rows]


def _band(
    panel: Any, found: Sequence[tuple[list[int], list[float]]], colour: str, label: str, *, emphasised: bool
) -> None:
    count = min(len(steps) for steps, _ in found)
    steps, values = found[0][0][:count], np.array([value[:count] for _, value in found])
    width = 2.0 if emphasised else 1.0
    panel.plot(steps, np.median(values, axis=0), color=colour, linewidth=width, label=label)
    panel.fill_between(steps, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.12, linewidth=0)
