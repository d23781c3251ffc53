"""`python -m benchmarks race_page`: results of `race` to its page and its figure."""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from math import inf, isfinite
from pathlib import Path

from benchmarks.docs import between
from benchmarks.race import figure
from benchmarks.race.clock import BUDGETS
from benchmarks.race.command import OUT, SEEDS
from benchmarks.race.contenders import CONTENDERS
from benchmarks.race.results import PEERS, Cell, Result, best_of, errors_of, geometric_mean
from benchmarks.race.rows import ROWS, SETTINGS
from lightning_autobalance.sweeps.results_file import read

PAGE = Path("docs/methods/race.md")
FIGURE = Path("docs/images/race_{setting}.png")
OURS = "recommended"


def blocks(results: Sequence[Result]) -> dict[str, str]:
    """The generated text by name of its markers."""
    return {
        f"{part}_{setting}": write(results, setting)
        for setting in SETTINGS
        for part, write in (("summary", summary), ("lost", lost), ("rows", tables))
    }


def number(error: float) -> str:
    """An error in words."""
    return f"{error:.1e}" if isfinite(error) else "failed"


def spread(errors: Sequence[float]) -> str:
    """Median, range and number of seeds."""
    if not errors:
        return "not run"
    middle = number(statistics.median(errors))
    if len(errors) == 1:
        return f"{middle} (1 seed)"
    return f"{middle} ({number(min(errors))} to {number(max(errors))}, {len(errors)} seeds)"


def tables(results: Sequence[Result], setting: str) -> str:
    """One table per row: contenders by budgets."""
    return "\n\n".join(table(results, setting, row) for row in ROWS)


def table(results: Sequence[Result], setting: str, row: str) -> str:
    """The contenders of one row, what was published, and what is wanted."""
    of = ROWS[row]
    head = [
        "",
        "| contender | " + " | ".join(f"{b:.0f} CPU s" for b in BUDGETS) + " |",
        "|" + "---|" * (1 + len(BUDGETS)),
    ]
    body: list[str] = []
    for name, contender in CONTENDERS.items():
        if contender.weighted and unweighted(results, row):
            continue
        cells = [spread(errors_of(results, Cell(row, name, setting, budget))) for budget in BUDGETS]
        body.append(f"| {contender.title} | {' | '.join(cells)} |")
    best = "none was found" if of.best is None else f"{of.best:.1e}"
    wanted = f"at most {of.target:.0e} after {BUDGETS[-1]:.0f} s; {verdict(results, setting, row)}"
    said = f"Published, at best: {best}. Wanted: {wanted}."
    return "\n".join([f"### {of.title}", "", said, *([of.note] if of.note else []), *head, *body])


def unweighted(results: Sequence[Result], row: str) -> bool:
    """Whether our recipe was run in a row, and has no weights there that a peer could take."""
    found = [line["weights"] for line in results if (line["row"], line["contender"]) == (row, OURS)]
    return bool(found) and not any(found)


def verdict(results: Sequence[Result], setting: str, row: str) -> str:
    """Whether our recipe reaches what is wanted."""
    found = errors_of(results, Cell(row, OURS, setting, BUDGETS[-1]))
    if not found:
        return "not run"
    median, target = statistics.median(found), ROWS[row].target
    so_far = "" if len(found) >= len(SEEDS) else " so far"
    return f"met{so_far}" if median <= target else f"missed{so_far} by a factor of {median / target:.2g}"


def summary(results: Sequence[Result], setting: str) -> str:
    """Our recipe beside the better of the peers, by row at the longest budget that both have, and the mean ratio."""
    lines = [
        "| row | CPU s | our recipe | best of DeepXDE and PINA | ratio | lowest of all | published |",
        "|" + "---|" * 7,
    ]
    ratios = []
    for row, of in ROWS.items():
        cell = longest(results, setting, row)
        published = "-" if of.best is None else f"{of.best:.1e}"
        if cell is None:
            lines.append(f"| {of.title} | - | not run | not run | - | - | {published} |")
            continue
        ours, peer, first = (best_of(results, cell, who) for who in ((OURS,), PEERS, CONTENDERS))
        ratios.append(peer.error / ours.error if isfinite(ours.error) else 0.0)
        names = [number(ours.error), f"{number(peer.error)}, {CONTENDERS[peer.contender].title}", f"{ratios[-1]:.2g}"]
        row_of = [of.title, f"{cell.budget:.0f}", *names, CONTENDERS[first.contender].title, published]
        lines.append(f"| {' | '.join(row_of)} |")
    if not ratios:
        return "\n".join([*lines, "", "No row has runs of both yet."])
    lower, mean = sum(ratio > 1 for ratio in ratios), geometric_mean(max(ratio, 1e-300) for ratio in ratios)
    return "\n".join(
        [*lines, "", f"Our recipe is lower in {lower} of {len(ratios)} rows; geometric mean of the ratios: {mean:.2g}."]
    )


def longest(results: Sequence[Result], setting: str, row: str) -> Cell | None:
    """The longest budget in which our recipe and a peer have runs."""
    for budget in reversed(BUDGETS):
        cell = Cell(row, OURS, setting, budget)
        if errors_of(results, cell) and best_of(results, cell, PEERS).contender:
            return cell
    return None


def lost(results: Sequence[Result], setting: str) -> str:
    """Where our recipe is not the lowest, or above what was published or is wanted."""
    return "\n".join(_lost(results, setting)) or "Nowhere, of the rows that have run."


def _lost(results: Sequence[Result], setting: str) -> Iterator[str]:
    for row, of in ROWS.items():
        for budget in BUDGETS:
            cell = Cell(row, OURS, setting, budget)
            ours = best_of(results, cell, (OURS,))
            if not ours.contender:
                continue
            first = best_of(results, cell, CONTENDERS)
            said = []
            if first.error < ours.error:
                said.append(f"{CONTENDERS[first.contender].title} has {number(first.error)}")
            if budget == BUDGETS[-1] and ours.error > (of.best or inf):
                said.append(f"{of.best:.1e} was published")
            if budget == BUDGETS[-1] and ours.error > of.target:
                said.append(f"{of.target:.0e} is wanted")
            if said:
                yield f"- {of.title}, {budget:.0f} s: our recipe has {number(ours.error)}; {', '.join(said)}."


def main(args: list[str]) -> None:
    """Rewrite the page and draw the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks race_page", description=__doc__)
    parser.add_argument("--results", type=Path, default=OUT, help="lines of `race`")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(args)
    results = list(read(given.results))
    for name, body in blocks(results).items():
        given.page.write_text(between(given.page.read_text(), name, body))
    for setting in SETTINGS:
        figure.draw(results, setting, Path(str(FIGURE).format(setting=setting)))
