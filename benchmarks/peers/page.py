"""Results to tables: in the terminal, and on the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks.peers.contenders import CONTENDERS
from benchmarks.peers.growth import LABELS
from benchmarks.peers.problems import PROBLEMS
from benchmarks.peers.verdicts import Found, ratios, spread, verdicts

REFERENCES = ("fit_default", "fit")
TITLES = {contender.name: contender.title for contender in CONTENDERS}


class Grid(NamedTuple):
    """A table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table in Markdown."""
        cells = [[cell.replace("|", r"\|") for cell in row] for row in self.rows]
        lines = [self.columns, ["---"] * len(self.columns), *cells]
        return "\n".join([f"## {self.title}", "", *(f"| {' | '.join(line)} |" for line in lines)])

    def rich(self) -> Table:
        """The table for the terminal."""
        table = Table(*self.columns, title=self.title)
        for row in self.rows:
            table.add_row(*row)
        return table


def grids(results: Mapping[str, Any], loop: Mapping[str, Any]) -> Iterator[Grid]:
    """All tables of what was measured so far.

    Args:
        results: Content of `results/speed/peers.json`.
        loop: Results of `loop_cost`.
    """
    steps = results.get("steps", {})
    if "helmholtz_2d" in steps:
        rows = verdicts(steps["helmholtz_2d"], loop, TITLES)
        yield Grid("What was aimed at, on 2-D Helmholtz", ["ratio", "at most", "measured", "verdict"], rows)
    for problem in PROBLEMS:
        if problem in steps:
            yield steps_of(problem, steps[problem])
    for axis, curve in results.get("growth", {}).items():
        yield growth_of(axis, curve)
    if "shares" in results:
        rows = [[kind, f"{share:.0%}"] for kind, share in results["shares"].items()]
        yield Grid("Where the time of the plain loop's step goes", ["what", "share"], rows)


def steps_of(problem: str, found: Found) -> Grid:
    """A row per contender, the fastest first, then those that are absent.

    Args:
        problem: Key of `PROBLEMS`.
        found: Result of `match`.
    """
    reference = next((name for name in (*REFERENCES, *found["ms"]) if name in found["ms"]), REFERENCES[0])
    columns = ["contender", "ms per step", f"by {TITLES[reference]}", "memory, MiB", "by training"]
    ordered = sorted(found["ms"], key=lambda name: spread(found["ms"][name])[0])
    rows = [
        [TITLES[name], _shown(found["ms"][name]), _shown(ratios(found, name, reference)), *_memory(found, name)]
        for name in ordered
    ]
    rows += [[TITLES[name], f"absent: {reason}", "-", "-", "-"] for name, reason in found["absent"].items()]
    return Grid(f"{PROBLEMS[problem].title}, {max(map(len, found['ms'].values()), default=0)} rounds", columns, rows)


def growth_of(axis: str, curve: Sequence[Found]) -> Grid:
    """One row per value of a growth curve.

    Args:
        curve: Result of `match` at every value.
    """
    names = [name for name in TITLES if any(name in found["ms"] for found in curve)]
    columns = [
        LABELS[axis],
        *(f"{TITLES[name]}: ms" for name in names),
        f"{TITLES['fit']} by nested",
        f"{TITLES['fit']}: MiB",
    ]
    rows = [
        [
            f"{found['at']:,}",
            *(_shown(found["ms"][name]) if name in found["ms"] else "absent" for name in names),
            _shown(ratios(found, "fit", "nested")),
            _memory(found, "fit")[1],
        ]
        for found in curve
    ]
    return Grid(
        f"Growth with the number of {LABELS[axis]}" if axis != "width" else "Growth with the width", columns, rows
    )


def _shown(values: Sequence[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*spread(values))


def _memory(found: Found, name: str) -> list[str]:
    before, peak = (found["memory"][name].get(key, 0) for key in ("before_mib", "peak_mib"))
    return [f"{peak}", f"{peak - before}"] if peak else ["-", "-"]


def body(results: Mapping[str, Any], loop: Mapping[str, Any]) -> str:
    """What stands on the page between the markers.

    Args:
        results: Content of `results/speed/peers.json`.
        loop: Results of `loop_cost`.
    """
    machine = results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    tables = "\n\n".join(grid.markdown() for grid in grids(results, loop))
    return f"Measured on {machine['cpu']}, one thread, Python {machine['python']}; {versions}.\n\n{tables}"
