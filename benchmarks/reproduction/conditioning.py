"""The condition numbers of the paper's figure 1."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = Path("results/hessian.json")
KINDS = {  # name -> the run it comes from, and the kind of spectrum
    "plain": ("auto_adamw", "plain"),
    "Adam": ("adamw", "adam"),
    "AutoBalance": ("auto_adamw", "autobalance"),
}
TERM = "boundary"


def curve(found: Mapping[str, Any], name: str, term: str = TERM) -> tuple[list[int], list[float]]:
    """Steps and condition numbers of a kind of spectrum; before the first step only the plain one is there.

    Args:
        found: Output of `python -m benchmarks hessian`.
        name: Key of `KINDS`.
        term: Name of the loss term.
    """
    run, kind = KINDS[name]
    rows = sorted((int(step), numbers) for step, numbers in found[run]["condition"].items())
    there = [(step, numbers[f"{kind}/{term}"]) for step, numbers in rows if f"{kind}/{term}" in numbers]
    return [step for step, _ in there], [value for _, value in there]


def conditions(path: Path = FILE) -> dict[str, Sequence[float]]:
    """The condition numbers of every kind at the looks that all have; nothing where there is no file.

    Args:
        path: Output file of `python -m benchmarks hessian`.
    """
    if not path.exists():
        return {}
    curves = {name: dict(zip(*curve(json.loads(path.read_text()), name), strict=True)) for name in KINDS}
    common = sorted(set.intersection(*(set(found) for found in curves.values())))
    return {name: [found[step] for step in common] for name, found in curves.items()}
