"""The paper's figures: the runs each needs, its file and its caption."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Picture(NamedTuple):
    """A figure of the paper.

    Args:
        parts: Parts of the paper whose runs it shows.
        caption: Caption on the page.
    """

    parts: tuple[str, ...]
    caption: str


FOLDER = Path("images/reproduction")  # beside the page
PICTURES = {
    "quadratic": Picture((), "The first page's quadratic: one Adam state per loss against one for the sum, Theorem 1"),
    "figure1": Picture((), "Figure 1: Hessian spectra and condition numbers, 2-D Helmholtz, a small network"),
    "figure2": Picture(("table1",), "Figure 2: norm ratios and cosines of gradients and updates, 2-D Helmholtz"),
    "figure3": Picture(("table1",), "Figure 3: mean squared error over training, median and range of the seeds"),
    "figure4": Picture(("table1",), "Figure 4: 1-D reaction-diffusion, methods"),
    "figure5": Picture(("table1",), "Figure 5: 2-D Helmholtz, methods"),
    "figure6": Picture(("table1",), "Figure 6: 2-D inverse Poisson, methods"),
    "figure7": Picture(("table2",), "Figure 7: 1-D reaction-diffusion, variants"),
    "figure8": Picture(("table2",), "Figure 8: 2-D Helmholtz, variants"),
    "figure9": Picture(("table2",), "Figure 9: 2-D inverse Poisson, variants"),
}


def shown(docs: Path) -> list[tuple[str, str]]:
    """Captions and files of the pictures that there are, relative to the page."""
    files = {name: FOLDER / f"{name}.png" for name in PICTURES}
    return [(PICTURES[name].caption, str(file)) for name, file in files.items() if (docs / file).exists()]


def names_of(what: Sequence[str]) -> list[str]:
    """The figures among the selected parts and figures, or all of them."""
    return list(PICTURES) if "all" in what else [name for name in what if name in PICTURES]
