"""`python -m benchmarks accuracy_page`: results of `accuracy` to its page, its figure and the README's numbers."""

import argparse
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks import accuracy_figure, main_job
from benchmarks.accuracy import OUT, PROBLEMS, SEEDS, Cell, cells
from benchmarks.docs import between
from benchmarks.links import address
from benchmarks.report import TITLES as MAIN_TITLES
from benchmarks.report import spread
from lightning_autobalance.sweeps.results_file import read

Result = Mapping[str, Any]
PAGE, WHICH, README = Path("docs/methods/accuracy.md"), Path("docs/methods/which.md"), Path("README.md")
HOME = Path("docs/index.md")
FIGURE = Path("docs/images/accuracy.png")
FIRST_COMMAND = Path("configs/best/helmholtz_2d.yaml")
TITLES = {**MAIN_TITLES, "poisson_inverse_2d_no_noise": "2-D inverse Poisson, error of a, no noise"}
METHODS = {
    "adamw": "AdamW",
    "auto_adamw": "AutoAdamW",
    "config": "ConFIG",
    "ntk": "NTK",
    "soap": "SOAP",
    "auto_soap": "AutoSOAP",
    "lm": "LevenbergMarquardt",
    "ssb": "SelfScaledBroyden",
    "lbfgs": "LBFGS",
}
HEAD = "| combination | seeds | MSE at the end: median (range) | relative L2 | CPU s: median (range) |"
BOXES = ("helmholtz_2d", "reaction_diffusion_1d")


@dataclass(frozen=True)
class Target:
    """What the recommended combination is to reach.

    Args:
        median: Largest median of the mean squared error over the seeds.
        every: What each seed must be below; None for no such demand.
    """

    median: float
    every: float | None = None


TARGETS = {
    "helmholtz_2d": Target(1e-7, every=1e-6),
    "reaction_diffusion_1d": Target(1e-9),
    "poisson_inverse_2d": Target(6e-5),
    "poisson_inverse_2d_no_noise": Target(1e-6),
}


def blocks(results: Sequence[Result], today: Sequence[Result]) -> dict[tuple[Path, str], str]:
    """The generated text by page and name of its markers.

    Args:
        results: Lines of `accuracy`.
        today: Lines of `main_job`.
    """
    by_cell = grouped(results)
    return {
        (PAGE, "verdicts"): verdicts(by_cell, today),
        (PAGE, "results"): "\n\n".join(table(problem, by_cell, today) for problem in PROBLEMS),
        (PAGE, "missing"): missing(by_cell),
        (WHICH, "recipes"): recipes(by_cell, today),
        (WHICH, "finishes"): choices(by_cell, [("auto_soap", finish, 3000) for finish in ("lm", "ssb", "lbfgs")]),
        (WHICH, "starts"): choices(
            by_cell, [(first, "lm", 3000) for first in ("auto_soap", "auto_adamw", "adamw", "soap")]
        ),
        (WHICH, "switches"): choices(by_cell, [("auto_soap", "lm", steps) for steps in (1000, 3000, 6000)]),
        (README, "first_run"): first_run(by_cell, FIRST_COMMAND),
        (README, "accuracy"): scoreboard(by_cell, today),
        (HOME, "accuracy"): scoreboard(by_cell, today),
    }


def grouped(results: Iterable[Result]) -> dict[Cell, list[Result]]:
    """The lines of each combination, in the order of the file."""
    found: dict[Cell, list[Result]] = {}
    for line in results:
        found.setdefault(Cell(**line["cell"]), []).append(line)
    return found


def recommended(problem: str) -> Cell:
    """The combination that we recommend for a problem: the first of its kind."""
    return next(cell for cell in cells() if cell.problem == problem)


def label(cell: Cell) -> str:
    """A combination in words."""
    phases = METHODS[cell.first]
    if cell.finish:
        phases += f" {cell.switch:,} steps + {METHODS[cell.finish]}"
    return f"{phases}, `stop_at_noise`" if cell.at_noise else phases


def errors(lines: Iterable[Result]) -> list[float]:
    """The mean squared errors of some runs."""
    return [line["mse"] for line in lines]


def of_today(today: Iterable[Result], problem: str, method: str) -> list[float]:
    """The errors of the 30,000 steps of `main_job`."""
    return errors(r for r in today if (r["problem"], r["method"]) == (problem, method))


def table(problem: str, by_cell: Mapping[Cell, Sequence[Result]], today: Sequence[Result]) -> str:
    """What a problem's combinations end at, the lowest median first, beside the 30,000 steps of `main_job`."""
    rows = []
    for cell, lines in by_cell.items():
        if cell.problem == problem:
            seconds = [line["seconds"] for line in lines]
            relative = statistics.median(line["rel_l2"] for line in lines)
            took = f"{statistics.median(seconds):.3g} ({min(seconds):.3g} to {max(seconds):.3g})"
            rows.append((errors(lines), label(cell), f"{len(lines)} of {len(SEEDS)}", f"{relative:.1e}", took))
    for method in main_job.METHODS:
        if found := of_today(today, problem, method):
            name, seeds = f"{METHODS[method]}, 30,000 steps of `main_job`", f"{len(found)} of {len(main_job.SEEDS)}"
            rows.append((found, name, seeds, "-", "-"))
    rows.sort(key=lambda row: statistics.median(row[0]))
    if not rows:
        return f"### {TITLES[problem]}\n\nNo run yet."
    body = [f"| {name} | {seeds} | {spread(mse)} | {rel} | {took} |" for mse, name, seeds, rel, took in rows]
    return "\n".join([f"### {TITLES[problem]}", "", *budget(problem, by_cell), HEAD, "|" + "---|" * 5, *body])


def budget(problem: str, by_cell: Mapping[Cell, Sequence[Result]]) -> list[str]:
    """The budget of a problem as a sentence and a blank line; nothing before its first run."""
    found = [line["budget"] for cell, lines in by_cell.items() if cell.problem == problem for line in lines]
    if not found:
        return []
    return [f"Budget: {statistics.median(found):.0f} CPU s ({min(found):.0f} to {max(found):.0f}).", ""]


def verdicts(by_cell: Mapping[Cell, Sequence[Result]], today: Sequence[Result]) -> str:
    """One line per target: whether the recommended combination meets it, else by what factor it misses."""
    return "\n".join(f"- {TITLES[problem]}: {verdict(problem, by_cell, today)}" for problem in TARGETS)


def verdict(problem: str, by_cell: Mapping[Cell, Sequence[Result]], today: Sequence[Result]) -> str:
    """The judgement on one problem."""
    cell, target = recommended(problem), TARGETS[problem]
    found = errors(by_cell.get(cell, []))
    if not found:
        return f"{label(cell)} is **not run yet**; at most {target.median:.0e} is wanted."
    so_far = " so far" if len(found) < len(SEEDS) else ""
    median = judged(statistics.median(found), target.median, "at most", so_far)
    said = [f"{label(cell)} ends at a median of {median}"]
    if target.every is not None:
        said.append(f"the worst seed at {judged(max(found), target.every, 'below', so_far)}")
    if old := of_today(today, problem, "auto_adamw"):
        before = statistics.median(old)
        said.append(
            f"AutoAdamW's 30,000 steps at {before:.1e}, {factor(before / statistics.median(found))} times the first"
        )
    if so_far:
        said.append(f"{len(found)} of {len(SEEDS)} seeds are there")
    if statistics.median(found) > target.median:
        better = [label(c) for c, r in by_cell.items() if c.problem == problem and reaches(r, target)]
        said.append(f"combinations that reach the median: {', '.join(better) or 'none of those run'}")
    return "; ".join(said) + "."


def reaches(lines: Sequence[Result], target: Target) -> bool:
    """Whether the median of all seeds is low enough."""
    return len(lines) >= len(SEEDS) and statistics.median(errors(lines)) <= target.median


def judged(found: float, wanted: float, relation: str, so_far: str = "") -> str:
    """A number beside the one wanted."""
    held = found <= wanted if relation == "at most" else found < wanted
    word = f"met{so_far}" if held else f"missed{so_far} by a factor of {found / wanted:.1f}"
    return f"{found:.1e} ({relation} {wanted:.0e} wanted: **{word}**)"


def factor(ratio: float) -> str:
    """A ratio, by its power of ten where it is large."""
    return f"{ratio:.1f}" if ratio < 1000 else f"{ratio:.0e}"


def missing(by_cell: Mapping[Cell, Sequence[Result]]) -> str:
    """Which runs are not there yet, by problem."""
    lines, runs = [], 0
    for problem in PROBLEMS:
        open_cells = []
        for cell in cells():
            left = len(SEEDS) - len(by_cell.get(cell, []))
            if cell.problem == problem and left > 0:
                open_cells.append(label(cell) + (f" ({left} of {len(SEEDS)} seeds)" if left < len(SEEDS) else ""))
                runs += left
        if open_cells:
            lines.append(f"- {TITLES[problem]}: {', '.join(open_cells)}.")
    if not lines:
        return "All runs are there."
    return "\n".join([f"{runs} of {len(cells()) * len(SEEDS)} runs are still missing:", "", *lines])


def recipes(by_cell: Mapping[Cell, Sequence[Result]], today: Sequence[Result]) -> str:
    """The recommended combination of every problem beside today's methods, as a table."""
    lines = [
        "| problem | recommended | MSE: median (range) | AutoAdamW, AdamW: medians | CPU s | seeds |",
        "|" + "---|" * 6,
    ]
    for problem in PROBLEMS:
        cell = recommended(problem)
        found = by_cell.get(cell, [])
        old = [of_today(today, problem, method) for method in ("auto_adamw", "adamw")]
        medians = ", ".join(f"{statistics.median(each):.1e}" if each else "-" for each in old)
        ours = spread(errors(found)) if found else "not run yet"
        took = f"{statistics.median(line['seconds'] for line in found):.3g}" if found else "-"
        row = [TITLES[problem], label(cell), ours, medians, took, f"{len(found)} of {len(SEEDS)}"]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def scoreboard(by_cell: Mapping[Cell, Sequence[Result]], today: Sequence[Result]) -> str:
    """Where AutoAdamW alone wins and loses against AdamW, and where the recommended combination ends, as a table."""
    lines = [
        "| median MSE | AdamW, equal weights | AutoAdamW alone | with our finish | CPU s |",
        "|" + "---|" * 5,
    ]
    for problem in PROBLEMS:
        found = by_cell.get(recommended(problem), [])
        plain, auto = (of_today(today, problem, method) for method in ("adamw", "auto_adamw"))
        if not (plain and auto and found):
            continue
        before, alone, best = (statistics.median(each) for each in (plain, auto, errors(found)))
        took = statistics.median(line["seconds"] for line in found)
        cells = [f"{before:.1e}", compared(alone, before), compared(best, before), f"{took:.3g}"]
        lines.append(f"| {TITLES[problem]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def compared(error: float, before: float) -> str:
    """An error and by what factor it is below or above another."""
    ratio = max(error / before, before / error)
    times = f"{ratio:.0f}" if 10 <= ratio < 1000 else factor(ratio)
    return f"{error:.1e}: {'wins' if error < before else '**loses**'}, {times} times"


def choices(by_cell: Mapping[Cell, Sequence[Result]], rows: Sequence[tuple[str, str, int]]) -> str:
    """Combinations side by side on the two problems without noise: median errors.

    Args:
        rows: First phase, finish and steps of the first phase of each row.
    """
    lines = [f"| combination | {' | '.join(f'{TITLES[problem]}: MSE' for problem in BOXES)} |", "|---|---|---|"]
    for row in rows:
        found = [by_cell.get(Cell(problem, *row), []) for problem in BOXES]
        medians = [
            f"{statistics.median(errors(each)):.1e} ({len(each)} of {len(SEEDS)} seeds)" if each else "not run yet"
            for each in found
        ]
        lines.append(f"| {label(Cell(BOXES[0], *row))} | {' | '.join(medians)} |")
    return "\n".join(lines)


def first_run(by_cell: Mapping[Cell, Sequence[Result]], config: Path) -> str:
    """Where the README's first command ends, from longer runs of the same combination.

    Args:
        config: Of that command. The last evaluation within its steps counts.
    """
    steps = yaml.safe_load(config.read_text())["trainer"]["max_steps"]
    rows = [
        [row for row in line["history"] if row["step"] <= steps][-1]
        for line in by_cell.get(recommended("helmholtz_2d"), [])
    ]
    if not rows:
        return "How accurate it gets was not measured yet."
    relative, seconds = [100 * row["rel_l2"] for row in rows], statistics.median(row["seconds"] for row in rows)
    return (
        f"In the runs of [the accuracy benchmark]({address(PAGE.as_posix())}) the\nrelative L2 error was then "
        f"{statistics.median(relative):.2g} % ({min(relative):.2g} to {max(relative):.2g} %, {len(rows)} seeds), after "
        f"{seconds:.0f} s on one CPU thread."
    )


def main(args: list[str]) -> None:
    """Rewrite the pages and draw the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks accuracy_page", description=__doc__)
    parser.add_argument("--results", type=Path, default=OUT, help="lines of `accuracy`")
    parser.add_argument("--today", type=Path, default=main_job.OUT, help="lines of `main_job`")
    given = parser.parse_args(args)
    results, today = list(read(given.results)), list(read(given.today))
    for (page, name), body in blocks(results, today).items():
        page.write_text(between(page.read_text(), name, body))
    curves, levels = accuracy_figure.curves_of(results), accuracy_figure.levels_of(today)
    targets = {problem: target.median for problem, target in TARGETS.items()}
    accuracy_figure.draw(curves, levels, targets, FIGURE)
