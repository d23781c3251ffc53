"""`python -m benchmarks report`: results files to the table of the first-order methods and the README's picture."""

import argparse
import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.main_job import METHODS, OUT, PROBLEMS, SEEDS
from benchmarks.sweeps import read

PAGE = Path("docs/methods/first-order.md")
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
PAPER = {  # best of three, MSE and L-infinity; the AutoBalance paper, Table 1
    ("helmholtz_2d", "auto_adamw"): (2.04e-3, 3.84e-1),
    ("helmholtz_2d", "adamw"): (29.35, 11.52),
    ("reaction_diffusion_1d", "auto_adamw"): (2.61e-7, 5.05e-3),
    ("reaction_diffusion_1d", "adamw"): (9.16e-7, 1.15e-2),
    ("poisson_inverse_2d", "auto_adamw"): (6.19e-6, 6.09e-3),
    ("poisson_inverse_2d", "adamw"): (2.37e-3, 1.07e-1),
}
RATIOS = (  # file, part of it, key of the ratio, digits, what is compared
    (
        "derivatives.json",
        "",
        "ratio",
        2,
        "Helmholtz residual with its parameter gradient, Taylor mode against nested reverse mode",
    ),
    ("loop.json", "", "ratio", 3, "`fit` with balance monitor and TensorBoard against a bare torch loop, Helmholtz"),
    ("loop.json", "", "monitor_ratio", 3, "`fit` with the balance monitor at its default interval against without"),
    ("loop.json", "", "compiled_ratio", 2, "`fit` with `compile: true` against without"),
    ("allocator.json", "uncompiled", "ratio", 2, "`fit` with freed memory kept against without"),
)
TITLES = {
    "helmholtz_2d": "2-D Helmholtz",
    "reaction_diffusion_1d": "1-D reaction-diffusion",
    "poisson_inverse_2d": "2-D inverse Poisson, error of a, noise 0.01",
    "poisson_inverse_2d_noise_0.1": "2-D inverse Poisson, error of a, noise 0.1",
    "auto_adamw": "AutoAdamW",
    "adamw": "AdamW, equal weights",
}


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table: median, least and largest error over the seeds, beside the paper's best of three.

    Args:
        results: Lines of a results file.
    """
    lines = [
        "| problem | method | MSE: median (min to max) | L∞: median (min to max) | seeds | paper, best of 3: MSE, L∞ |",
        "|---|---|---|---|---|---|",
    ]
    results = list(results)
    for problem in PROBLEMS:
        for method in METHODS:
            found = [r for r in results if r["problem"] == problem and r["method"] == method]
            if found:
                paper = PAPER.get((problem, method))
                claimed = f"{paper[0]:.2e}, {paper[1]:.2e}" if paper else "-"
                spreads = [spread([r[error] for r in found]) for error in ("mse", "linf")]
                row = [TITLES[problem], TITLES[method], *spreads, f"{len(found)} of {len(SEEDS)}", claimed]
                lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """The median with the range.

    Args:
        values: One value per seed.
    """
    return f"{statistics.median(values):.2e} ({min(values):.2e} to {max(values):.2e})"


def speed(folder: Path) -> str:
    """One line per measured ratio.

    Args:
        folder: Folder of the JSON files of the speed benchmarks.
    """
    lines = [
        f"- {what}: {found[key]:.{digits}f}x ({found[f'{key}_range'][0]:.{digits}f} to "
        f"{found[f'{key}_range'][1]:.{digits}f})."
        for name, part, key, digits, what in RATIOS
        if (path := folder / name).exists()
        for found in [_part(json.loads(path.read_text()), part)]
        if key in found
    ]
    return "\n".join(lines)


def _part(found: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    return found[part] if part else found


def rewrite(page: Path, body: str) -> None:
    """Put text between the markers.

    Args:
        body: The new text.

    Raises:
        ValueError: If a marker is missing.
    """
    text = page.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"`{page}` must hold the markers {BEGIN} and {END}.")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}")


def picture(checkpoint: Path, out: Path) -> None:
    """Draw the Helmholtz solution of a checkpoint.

    Args:
        checkpoint: Checkpoint of a `Helmholtz2D` run.
        out: Path of the PNG.
    """
    from lightning_autobalance.callbacks.solution_plotter import draw
    from lightning_autobalance.problems import Helmholtz2D

    module = Helmholtz2D.load_from_checkpoint(checkpoint, map_location="cpu")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure = draw(module, "u")
    figure.suptitle(f"Helmholtz2D with {method(checkpoint)}")
    figure.savefig(out, dpi=110)


def method(checkpoint: Path) -> str:
    """Optimizer, finish and steps of a run of the command line, as a title.

    Args:
        checkpoint: Its checkpoint.
    """
    import torch

    found = torch.load(checkpoint, weights_only=True, map_location="cpu")
    parts = [found["hyper_parameters"].get(name) for name in ("optimizer", "finish")]
    names = [part["class_path"].split(".")[-1] for part in parts if part]
    return f"{' and '.join(names)}, {found['global_step']:,} steps"


def main(args: list[str]) -> None:
    """Rewrite the page, and the picture where a checkpoint is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("--results", type=Path, default=OUT)
    parser.add_argument("--speed", type=Path, default=Path("results/speed"))
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--picture", type=Path, help="checkpoint to draw docs/images/helmholtz_2d.png from")
    arguments = parser.parse_args(args)
    if arguments.picture:
        picture(arguments.picture, Path("docs/images/helmholtz_2d.png"))
    body = f"{table(read(arguments.results))}\n\n{speed(arguments.speed)}".rstrip()
    rewrite(arguments.page, body)
    Console().print(body, soft_wrap=True)
