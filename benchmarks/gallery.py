"""`python -m benchmarks gallery`: the page of all ready problems, with their pictures."""

import argparse
import inspect
import json
import re
import statistics
from collections.abc import Iterator, Sequence
from functools import cache
from math import inf, isfinite
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import yaml

from benchmarks import accuracy, accuracy_page
from benchmarks.docs import between
from benchmarks.gallery_pictures import thumbnail
from benchmarks.race import command as race
from benchmarks.race.clock import BUDGETS
from benchmarks.race.results import Cell, errors_of
from benchmarks.race.rows import ROWS, SETTINGS
from lightning_autobalance import PINNModule, problems
from lightning_autobalance.cli.packaged_configs import packaged
from lightning_autobalance.problems.packaged import FOLDER
from lightning_autobalance.sweeps.results_file import read

PAGE, PICTURES = Path("docs/gallery.md"), Path("docs/images/gallery")
KINDS: dict[str, type[PINNModule]] = {name: getattr(problems, name) for name in problems.__all__}
MATH = re.compile(r"^\.\. math:: *(.*\n(?: +\S.*\n)*)", re.MULTILINE)


class Best(NamedTuple):
    """The lowest error of a committed run.

    Args:
        error: Relative L2 error, the median over the seeds.
        seconds: CPU seconds that it took.
        seeds: How many.
    """

    error: float
    seconds: float
    seeds: int


def blocks(folder: Path = Path("results")) -> dict[str, str]:
    """The generated text by name of its markers.

    Args:
        folder: Of the results.
    """
    return {"overview": overview(), "problems": "\n\n".join(entry(name, best(name, folder)) for name in KINDS)}


def configs(name: str) -> list[str]:
    """The configurations of the package that train a problem, the recommended ones last.

    Args:
        name: Of its class.
    """
    found = [key for key, kind in _trained().items() if kind == name]
    return sorted(found, key=lambda key: key.startswith("best/"))


@cache
def _trained() -> dict[str, str]:
    """The class that each configuration of the package trains; none for those of a method alone."""
    paths = {key: yaml.safe_load(path.read_text()).get("model", {}) for key, path in packaged().items()}
    return {key: model.get("class_path", "").rpartition(".")[2] for key, model in paths.items()}


def picture(name: str) -> str:
    """The file name of a problem's picture."""
    return f"{configs(name)[0]}.png"


def overview() -> str:
    """All pictures, each a link to its problem."""
    return "\n".join(f"[![{name}](images/gallery/{picture(name)})](#{name.lower()})" for name in KINDS)


def entry(name: str, found: Best | None) -> str:
    """What there is to say of one problem.

    Args:
        name: Of its class.
        found: Its best run, if any.
    """
    said, formula = described(KINDS[name])
    lines = [
        f"### {name}",
        f"![{name}](images/gallery/{picture(name)})",
        said,
        f"$$\n{formula}\n$$",
        "- Train it: " + ", ".join(f"`lightning-autobalance fit --config @{key}`" for key in configs(name)),
        f"- Known solution: {solution(name)}",
        f"- Best committed run: {run(found)}",
    ]
    return "\n\n".join(lines[:4]) + "\n\n" + "\n".join(lines[4:])


def described(kind: type[PINNModule]) -> tuple[str, str]:
    """The first sentence of a docstring, and its formula.

    Args:
        kind: A ready problem.

    Raises:
        ValueError: If the docstring has no formula.
    """
    text = inspect.getdoc(kind) or ""
    if (found := MATH.search(text + "\n")) is None:
        raise ValueError(f"The docstring of `{kind.__name__}` must have its equation under `.. math::`, and has none.")
    first, _, rest = found[1].partition("\n")
    return text.partition("\n")[0], f"{first}\n{dedent(rest)}".strip()


def solution(name: str) -> str:
    """What a problem is compared with, and how good that is."""
    reference = KINDS[name].default_reference
    if not reference:
        return "exact."
    stem = Path(reference["file"]).stem
    errors = json.loads((FOLDER / "errors.json").read_text())[stem]
    return "a reference with a relative L2 error of " + ", ".join(f"{e:.0e} ({u})" for u, e in errors.items()) + "."


def run(found: Best | None) -> str:
    """A best run in words."""
    if found is None:
        return "none yet."
    seeds = f"{found.seeds} seed{'s' if found.seeds > 1 else ''}"
    return f"relative L2 error {found.error:.1e} after {found.seconds:.0f} CPU s (median of {seeds})."


def best(name: str, folder: Path) -> Best | None:
    """The best committed run of a problem by its recipe, of `accuracy` and of `race`.

    Args:
        name: Of its class.
        folder: Of the results.
    """
    found = [each for each in (*of_accuracy(name, folder), *of_race(name, folder)) if isfinite(each.error)]
    return min(found, key=lambda each: each.error, default=None)


def of_accuracy(name: str, folder: Path) -> Iterator[Best]:
    """The recommended combination of `accuracy`."""
    lines = accuracy_page.grouped(read(folder / accuracy.OUT.name))
    for problem in accuracy.PROBLEMS:
        if problem in configs(name) and (runs := lines.get(accuracy_page.recommended(problem))):
            error, seconds = (statistics.median(line[key] for line in runs) for key in ("rel_l2", "seconds"))
            yield Best(error, seconds, len(runs))


def of_race(name: str, folder: Path) -> Iterator[Best]:
    """Our recipe in `race`, at every budget."""
    path = folder / race.OUT.name
    lines = list(read(path)) if path.exists() else []
    for row in (key for key, row in ROWS.items() if row.config in configs(name)):
        for setting in SETTINGS:
            for budget in BUDGETS:
                errors: Sequence[float] = errors_of(lines, Cell(row, "recommended", setting, budget))
                yield Best(statistics.median(errors) if errors else inf, budget, len(errors))


def main(args: list[str]) -> None:
    """Rewrite the page and, where asked for or missing, draw the pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gallery", description=__doc__)
    parser.add_argument("--pictures", action="store_true", help="draw those that are there, too")
    given = parser.parse_args(args)
    for name, kind in KINDS.items():
        path = PICTURES / picture(name)
        if given.pictures or not path.exists():
            thumbnail(kind(), path)
    text = PAGE.read_text()
    for name, body in blocks().items():
        text = between(text, name, body)
    PAGE.write_text(text)
