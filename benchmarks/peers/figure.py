"""The growth curves as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks.peers.growth import COMPARED, LABELS
from benchmarks.peers.page import TITLES
from benchmarks.peers.verdicts import spread
from lightning_autobalance.callbacks.figures import new_figure

COLORS = dict(zip(COMPARED, ("tab:blue", "tab:green", "tab:red"), strict=True))


def draw(growth: Mapping[str, Sequence[Mapping[str, Any]]], out: Path) -> None:
    """One panel per axis: medians as lines, quartiles as bands, both axes logarithmic.

    Args:
        growth: Growth curves by axis.
        out: Path of the PNG.
    """
    figure = new_figure(4.0 * len(growth), 3.8)
    panels = figure.subplots(1, len(growth), squeeze=False, sharey=True)[0]
    for panel, (axis, curve) in zip(panels, growth.items(), strict=True):
        _panel(panel, axis, curve)
    panels[0].set_ylabel("ms per step")
    panels[0].legend(frameon=False, fontsize=9)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)


def _panel(panel: Axes, axis: str, curve: Sequence[Mapping[str, Any]]) -> None:
    for name in COMPARED:
        there = [found for found in curve if name in found["ms"]]
        where, spreads = [found["at"] for found in there], [spread(found["ms"][name]) for found in there]
        if there:
            panel.plot(where, [s[0] for s in spreads], "o-", color=COLORS[name], label=TITLES[name].replace("`", ""))
            panel.fill_between(where, [s[1] for s in spreads], [s[2] for s in spreads], color=COLORS[name], alpha=0.2)
    panel.set_xscale("log")
    panel.set_yscale("log")
    places = [found["at"] for found in curve]
    panel.set_xticks(places, [f"{at:,}" for at in places])
    panel.minorticks_off()
    panel.set_xlabel(LABELS[axis])
    panel.grid(visible=True, alpha=0.3)
