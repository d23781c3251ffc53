"""Results of the race: the error of a contender in a row when a budget is spent."""

import statistics
from collections.abc import Iterable, Mapping
from math import exp, inf, log
from typing import Any, NamedTuple

from benchmarks.race.contenders import CONTENDERS
from benchmarks.race.rows import ROWS

Result = Mapping[str, Any]
LATE = 1.02  # an error of a longer run counts for a budget if it was kept by this multiple of it
PEERS = ("deepxde", "deepxde_weighted", "pina", "pina_weighted")


class Cell(NamedTuple):
    """Keys of a row, a contender and a setting, and a budget in CPU seconds."""

    row: str
    contender: str
    setting: str
    budget: float


def serves(line: Result, cell: Cell) -> bool:
    """Whether a line is a run of a cell: of its budget, or of a longer one where the contender does not know it."""
    if (line["row"], line["contender"], line["setting"]) != cell[:3]:
        return False
    longer = CONTENDERS[cell.contender].any_budget and line["budget"] > cell.budget
    return bool(longer or line["budget"] == cell.budget)


def error_of(line: Result, cell: Cell) -> float:
    """The error when the budget is spent; infinite where a run failed or has no number.

    A run of this very budget counts to its end, which is that of its last step or of its last iterations of L-BFGS.

    Args:
        line: Of the results.
        cell: Which budget.
    """
    if "failed" in line:
        return inf
    until = inf if line["budget"] == cell.budget else LATE * cell.budget
    kept = [row for row in line["history"] if row["seconds"] <= until]
    found = kept[-1]["errors"].get(ROWS[cell.row].metric)
    return inf if found is None else float(found)


def errors_of(results: Iterable[Result], cell: Cell) -> list[float]:
    """The errors of a cell, one per seed."""
    by_seed: dict[int, float] = {}
    for line in results:
        if serves(line, cell) and scored(line):
            by_seed.setdefault(line["seed"], error_of(line, cell))
    return list(by_seed.values())


def scored(line: Result) -> bool:
    """Whether a run was scored as its row is: with the authors' file, where that is judged."""
    return "failed" in line or ROWS[line["row"]].metric in line["history"][0]["errors"]


class Best(NamedTuple):
    """The lowest median of some contenders.

    Args:
        contender: Its key; empty where none has a run.
        error: The median.
    """

    contender: str
    error: float


def best_of(results: Iterable[Result], cell: Cell, contenders: Iterable[str]) -> Best:
    """The contender with the lowest median.

    Args:
        results: Lines.
        cell: Which row, setting and budget.
        contenders: Those compared.
    """
    lines = list(results)
    found = {name: errors_of(lines, cell._replace(contender=name)) for name in contenders}
    medians = {name: statistics.median(errors) for name, errors in found.items() if errors}
    if not medians:
        return Best("", inf)
    name = min(medians, key=lambda each: medians[each])
    return Best(name, medians[name])


def geometric_mean(ratios: Iterable[float]) -> float:
    """Of positive numbers; infinite if one is."""
    logs = [log(ratio) if ratio < inf else inf for ratio in ratios]
    return exp(statistics.mean(logs)) if max(logs) < inf else inf
