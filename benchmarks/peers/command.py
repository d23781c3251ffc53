"""The command: measure, save, print, rewrite the page. Results that are not measured again stay in the file."""

import argparse
import json
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.optimizer_step import cpu_name
from benchmarks.peers import figure, growth, page, shares
from benchmarks.peers.case import Case
from benchmarks.peers.contenders import BY_NAME
from benchmarks.peers.match import match
from benchmarks.peers.problems import PROBLEMS
from benchmarks.report import rewrite

OUT = Path("results/speed/peers.json")
LOOP = Path("results/speed/loop.json")
PAGE = Path("docs/methods/speed.md")
FIGURE = Path("docs/images/speed.png")
PACKAGES = ("torch", "lightning", "pina-mathlab", "DeepXDE", "conflictfree", "torchjd")
QUICK: dict[str, Any] = {"rounds": 2, "steps": 2, "growth_rounds": 2, "watched": 2}
QUICK_AXES = {"points": (50,)}


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="results file")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="none: only print and rewrite")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--contenders", nargs="+", choices=BY_NAME, default=list(BY_NAME))
    parser.add_argument("--rounds", type=int, default=10, help="turns of each contender")
    parser.add_argument("--steps", type=int, default=50, help="of a turn; `fit` logs once in 50")
    parser.add_argument("--growth-rounds", type=int, default=4)
    parser.add_argument("--watched", type=int, default=50, help="steps under the profiler")
    parser.add_argument("--quick", action="store_true", help="a few steps of everything, to see that it works")
    return parser


def _steps(results: dict[str, Any], arguments: argparse.Namespace, save: Callable[[], None]) -> None:
    contenders = [BY_NAME[name] for name in arguments.contenders]
    for problem in arguments.problems:
        found = match(Case(problem), contenders, arguments.rounds, arguments.steps)
        results.setdefault("steps", {})[problem] = found
        save()
        Console().print(f"{problem}: {len(found['ms'])} contenders timed, {len(found['absent'])} absent")


def _growth(results: dict[str, Any], arguments: argparse.Namespace, save: Callable[[], None]) -> None:
    for axis, where in (QUICK_AXES if arguments.quick else growth.AXES).items():
        curve = results.setdefault("growth", {})[axis] = []
        for found in growth.curve(axis, where, arguments.growth_rounds):
            curve.append(found)
            save()
            Console().print(f"{axis} {found['at']}: {len(found['ms'])} contenders timed")


def _shares(results: dict[str, Any], arguments: argparse.Namespace, save: Callable[[], None]) -> None:
    results["shares"] = shares.measure(arguments.watched)
    save()


PARTS = {"steps": _steps, "growth": _growth, "shares": _shares}


def machine() -> dict[str, Any]:
    """Processor and package versions."""
    return {"cpu": cpu_name(), "python": platform.python_version(), "versions": dict(_versions())}


def _versions() -> list[tuple[str, str]]:
    found = []
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            found.append((package, "not installed"))
    return found


def main(args: list[str]) -> None:
    """Measure the selected parts, print all results, rewrite page and picture."""
    arguments = options().parse_args(args)
    if arguments.quick:
        vars(arguments).update(QUICK)
    results: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}

    def save() -> None:
        results["machine"] = machine()
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")

    for part in arguments.parts:
        PARTS[part](results, arguments, save)
    loop = json.loads(LOOP.read_text())
    Console().print(*(grid.rich() for grid in page.grids(results, loop)))
    rewrite(arguments.page, page.body(results, loop))
    if "growth" in results:
        figure.draw(results["growth"], arguments.figure)
