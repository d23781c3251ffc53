"""Figure 1: Hessian spectra at the start and after training, and condition numbers on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.figures.style import COLOURS, panels
from benchmarks.reproduction.conditioning import KINDS, curve

TERMS = ("pde", "boundary")


def spectra(found: Mapping[str, Any]) -> Figure:
    """Three panels, as in the paper.

    Args:
        found: Output of `python -m benchmarks hessian`.
    """
    figure, (start, end, condition) = panels(3)
    first, *_, last = sorted(found["auto_adamw"]["condition"], key=int)
    for term, colour in zip(TERMS, COLOURS, strict=False):
        _sizes(start, found["auto_adamw"]["eigenvalues"][first][f"plain/{term}"], colour, term)
    for (name, (run, kind)), colour in zip(KINDS.items(), COLOURS, strict=False):
        _sizes(end, found[run]["eigenvalues"][last][f"{kind}/pde"], colour, name)
        condition.plot(*curve(found, name), color=colour, marker="o", markersize=3, label=name)
    start.set(title="Both terms at the start", ylabel="size of the eigenvalue")
    end.set(title=f"Residual term after {int(last):,} steps")
    for axes in (start, end):
        axes.set(yscale="log", xlabel="eigenvalues, largest first")
        axes.legend(frameon=False)
    condition.set(yscale="log", title="Boundary term on the way", xlabel="step", ylabel="condition number")
    condition.margins(y=0.35)
    condition.legend(frameon=False)
    layers = " x ".join(str(width) for width in found["hidden"])
    figure.suptitle(f"2-D Helmholtz, hidden layers {layers}, one seed, exact eigenvalues")
    return figure


def _sizes(axes: Any, eigenvalues: Sequence[float], colour: str, label: str) -> None:
    sizes = np.sort(np.abs(eigenvalues))[::-1]
    axes.plot(np.arange(1, len(sizes) + 1), np.maximum(sizes, sizes[0] * 1e-16), color=colour, label=label)
