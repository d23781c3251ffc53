"""Figure of Hessian spectra: eigenvalues by rank, and condition numbers by step."""

from collections.abc import Mapping
from math import isfinite

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lightning_autobalance.callbacks.figures import new_figure
from lightning_autobalance.callbacks.term_spectra import SUM, Spectra
from lightning_autobalance.jacobian import Spectrum

FLOOR = 1e-12  # relative to the largest eigenvalue; below it are zeros with rounding errors
TITLES = {
    "plain": "Hessian",
    "adam": "Adam-preconditioned Hessian",
    "autobalance": "AutoBalance-preconditioned Hessian",
}
STYLES = {"plain": ":", "adam": "-", "autobalance": "-"}


def draw_spectra(
    spectra: Spectra, history: Mapping[int, Mapping[str, float]], title: str, cutoff: float | None = None
) -> Figure:
    """Draw one panel of eigenvalues per kind of spectrum, and one of condition numbers by step.

    Args:
        spectra: By kind, then by term.
        history: What was logged, by step, then by key.
        title: Title of the figure.
        cutoff: The cutoff of the condition numbers, for the axis label; see `effective_condition_number`.
    """
    figure = new_figure(4.6 * (len(spectra) + 1), 4.2)
    *panels, last = figure.subplots(1, len(spectra) + 1).tolist()
    colors = _colors(spectra["plain"])
    for axis, (kind, terms) in zip(panels, spectra.items(), strict=True):
        axis.set_title(TITLES[kind])
        _draw_eigenvalues(axis, terms, colors)
    _draw_condition_numbers(last, history, colors, cutoff)
    figure.suptitle(title)
    return figure


def _colors(terms: Mapping[str, Spectrum]) -> dict[str, str]:
    return {term: "black" if term == SUM else f"C{i}" for i, term in enumerate(terms)}


def _draw_eigenvalues(axis: Axes, terms: Mapping[str, Spectrum], colors: Mapping[str, str]) -> None:
    for term, spectrum in terms.items():
        for sign, style in ((1, "-"), (-1, "--")):
            ranks, sizes = _ranks_and_sizes(spectrum, sign)
            axis.plot(ranks, sizes, style, color=colors[term], lw=1.4, alpha=0.85)
    largest = max((float(s.eigenvalues.abs().max()) for s in terms.values()), default=0.0)
    axis.set(xlabel="rank", ylabel=r"size of the eigenvalue, $|\lambda|$")
    if largest > 0:  # a logarithmic axis needs positive values
        axis.set(xscale="log", yscale="log", ylim=(FLOOR * largest, 5 * largest))
    exact = all(spectrum.exact for spectrum in terms.values())
    handles = [Line2D([], [], color=colors[term], label=_label(term)) for term in terms]
    handles += [Line2D([], [], color="gray", ls=ls, label=name) for name, ls in (("positive", "-"), ("negative", "--"))]
    axis.legend(handles=handles, loc="lower left", fontsize=8, title=None if exact else "Lanczos estimate")


def _ranks_and_sizes(spectrum: Spectrum, sign: int) -> tuple[list[float], list[float]]:
    """Ranks and absolute values of the eigenvalues of one sign, by descending absolute value.

    The rank of a Ritz value estimates how many eigenvalues are at least as large.
    """
    chosen = sign * spectrum.eigenvalues > 0
    sizes, order = spectrum.eigenvalues[chosen].abs().sort(descending=True)
    ranks = torch.cumsum(spectrum.weights[chosen][order] * spectrum.size, dim=0)
    ranks = ranks.clamp(min=1.0)
    return ranks.tolist(), sizes.tolist()


def _draw_condition_numbers(
    axis: Axes, history: Mapping[int, Mapping[str, float]], colors: Mapping[str, str], cutoff: float | None
) -> None:
    kinds = [kind for kind in TITLES if any(f"hessian/{kind}/" in key for logged in history.values() for key in logged)]
    for kind in kinds:
        for term, color in colors.items():
            key = f"hessian/{kind}/{term}/condition"
            points = [(step, logged[key]) for step, logged in sorted(history.items()) if key in logged]
            axis.plot(*zip(*points, strict=True), STYLES[kind], marker="o", ms=3.5, color=color, lw=1.4, alpha=0.85)
    least = r"mean $|\lambda|$" if cutoff is None else rf"min $|\lambda|$ above ${cutoff:g}\,$max"
    axis.set(xlabel="optimizer step", ylabel=rf"max $|\lambda|$ / {least}")
    conditions = [value for logged in history.values() for key, value in logged.items() if key.endswith("/condition")]
    if any(map(isfinite, conditions)):
        axis.set_yscale("log")
    axis.set_title("effective condition number")
    handles = [Line2D([], [], color="gray", ls=STYLES[kind], label=_kind_label(kind)) for kind in kinds]
    axis.legend(handles=handles, fontsize=8)


def _label(term: str) -> str:
    return term.replace("_", " ")


def _kind_label(kind: str) -> str:
    return TITLES[kind].removesuffix(" Hessian") if kind != "plain" else "plain"
