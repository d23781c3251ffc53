"""Claims of the paper, each with the measured numbers and a verdict that follows from them."""

from collections.abc import Collection, Mapping, Sequence
from math import exp, log
from statistics import mean
from typing import NamedTuple

from benchmarks.reproduction.paper import METHODS, OURS, PLAIN, PROBLEMS, VARIANTS
from benchmarks.reproduction.results import Cell, Results
from benchmarks.reproduction.tables import number

HOLDS, PARTLY, NOT, OPEN = "holds", "holds in part", "does not hold", "not enough runs"
NEAR = 2.0  # a norm ratio within this factor of 1 counts as near 1
WATCHED = "helmholtz_2d"  # the problem of the paper's figures 1 and 2
PAIR = "pde_x_boundary"
CONDITIONED = "AutoBalance"
Conditions = Mapping[str, Sequence[float]]


class Verdict(NamedTuple):
    """A claim with its verdict.

    Args:
        claim: The paper's claim, in our words.
        verdict: One of `HOLDS`, `PARTLY`, `NOT`, `OPEN`.
        numbers: The numbers that the verdict follows from.
    """

    claim: str
    verdict: str
    numbers: str


def lowest_error(results: Results, problem: str) -> Verdict:
    """AutoBalance has the lowest MSE of all methods on a problem, by the best seed and by the median.

    Args:
        problem: Name in the results, such as ``helmholtz_2d``.
    """
    claim = f"AutoBalance has the lowest MSE on {PROBLEMS[problem]}"
    cells = {method: results.cell(problem, method) for method in METHODS}
    there = {method: cell for method, cell in cells.items() if cell.lines}
    if OURS not in there or len(there) < 2:
        return Verdict(claim, OPEN, _count(cells.values()))
    best = min(there, key=lambda method: there[method].best["mse"])
    typical = min(there, key=lambda method: there[method].median)
    numbers = (
        f"lowest best: {METHODS[best]}, {number(there[best].best['mse'])} "
        f"(AutoBalance {number(there[OURS].best['mse'])}); "
        f"lowest median: {METHODS[typical]}, {number(there[typical].median)} (AutoBalance {number(there[OURS].median)})"
    )
    if not all(cell.complete for cell in cells.values()):
        return Verdict(claim, OPEN, f"{_count(cells.values())}; so far {numbers}")
    return Verdict(claim, _of([best == OURS, typical == OURS]), numbers)


def near_one(results: Results) -> Verdict:
    """The norms of the terms' updates are about equal, those of their gradients are not."""
    claim = "On Helmholtz the norm ratio of AutoBalance's updates stays near 1 while that of the gradients does not"
    updates = _by_seed(results, f"balance/update_ratio/{PAIR}")
    gradients = _by_seed(results, f"balance/grad_ratio/{PAIR}")
    if not updates:
        return Verdict(claim, OPEN, "0 runs")
    middle = [[exp(mean(log(value) for value in row)) for row in rows] for rows in (updates, gradients)]
    good = [1 / NEAR <= u <= NEAR and not 1 / NEAR <= g <= NEAR for u, g in zip(*middle, strict=True)]
    said = [", ".join(f"{value:.3g}" for value in values) for values in middle]
    return Verdict(claim, _of(good), f"geometric mean over a run, by seed: updates {said[0]}; gradients {said[1]}")


def aligned(results: Results) -> Verdict:
    """The cosine between the terms' updates is positive, that between their gradients turns negative."""
    claim = "On Helmholtz AutoBalance's updates keep a positive cosine while the gradients' turns negative"
    updates = _by_seed(results, f"balance/update_cos/{PAIR}")
    gradients = _by_seed(results, f"balance/grad_cos/{PAIR}")
    if not updates:
        return Verdict(claim, OPEN, "0 runs")
    halves = [[mean(row[len(row) // 2 :]) for row in rows] for rows in (updates, gradients)]
    good = [u > 0 > g for u, g in zip(*halves, strict=True)]
    said = [", ".join(f"{value:.2f}" for value in values) for values in halves]
    return Verdict(claim, _of(good), f"mean over the second half, by seed: updates {said[0]}; gradients {said[1]}")


def better_conditioned(conditions: Conditions) -> Verdict:
    """The boundary loss's condition number is lower with AutoBalance's state than with Adam's and than without.

    Args:
        conditions: By kind, the condition numbers at the looks after the first step, in order; nothing where there
            were none.
    """
    claim = "On Helmholtz AutoBalance lowers the condition number of the boundary loss throughout training"
    if not conditions:
        return Verdict(claim, OPEN, "0 runs")
    ours, *others = (conditions[kind] for kind in (CONDITIONED, *(kind for kind in conditions if kind != CONDITIONED)))
    good = [own < min(rest) for own, *rest in zip(ours, *others, strict=True)]
    said = [f"{kind} {', '.join(f'{value:.3g}' for value in found)}" for kind, found in conditions.items()]
    return Verdict(claim, _of(good), f"a small network, one seed, at each look: {'; '.join(said)}")


def improved(results: Results, variant: str) -> Verdict:
    """AutoBalance lowers the MSE of a variant on every problem, by the best seed and by the median.

    Args:
        variant: Name in the results, such as ``rba``.
    """
    claim = f"AutoBalance improves {VARIANTS[variant]}"
    pairs = [[results.cell(problem, method, variant) for method in (PLAIN, OURS)] for problem in PROBLEMS]
    found = [
        f"{title}: {number(without.best['mse'])} to {number(ours.best['mse'])}"
        for title, (without, ours) in zip(PROBLEMS.values(), pairs, strict=True)
        if without.lines and ours.lines
    ]
    cells = [cell for pair in pairs for cell in pair]
    if not all(cell.complete for cell in cells):
        so_far = f"; so far, best seeds: {'; '.join(found)}" if found else ""
        return Verdict(claim, OPEN, f"{_count(cells)}{so_far}")
    better = [ours.best["mse"] < without.best["mse"] for without, ours in pairs]
    better += [ours.median < without.median for without, ours in pairs]
    return Verdict(claim, _of(better), f"best seeds: {'; '.join(found)}")


def all_of(results: Results, conditions: Conditions) -> list[Verdict]:
    """Verdicts on every claim that the results files can decide."""
    return [
        *(lowest_error(results, problem) for problem in PROBLEMS),
        near_one(results),
        aligned(results),
        better_conditioned(conditions),
        *(improved(results, variant) for variant in VARIANTS),
    ]


def _of(good: Sequence[bool]) -> str:
    return HOLDS if all(good) else PARTLY if any(good) else NOT


def _by_seed(results: Results, key: str) -> list[list[float]]:
    lines = results.cell(WATCHED, OURS).lines
    rows = [[row[key] for row in line["history"] if key in row] for line in lines]
    return [row for row in rows if row]


def _count(cells: Collection[Cell]) -> str:
    return f"{sum(len(cell.lines) for cell in cells)} of {sum(cell.wanted for cell in cells)} runs"
