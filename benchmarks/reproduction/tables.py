"""Results as Markdown tables, the paper's numbers beside ours."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.reproduction.paper import OURS, PLAIN, Claim
from benchmarks.reproduction.results import Cell, Results

NONE = "not run"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """A number with three significant digits."""
    return f"{value:.2e}"


def of_methods(
    results: Results,
    problem: str,
    methods: Mapping[str, str],
    claims: Mapping[tuple[str, str], Claim],
    seeds: int | None = None,
) -> str:
    """One row per method on a problem: the paper's best of three, ours, each seed, the median, failures.

    Args:
        problem: Name in the results, such as ``helmholtz_2d``.
        methods: Name in the results -> name in the table.
        claims: The paper's numbers by problem and method.
        seeds: Expected number of seeds; that of the results by default.
    """
    head = ["method", "paper: MSE, L∞", "best: MSE, L∞", "MSE of each seed", "median", "failed", "seeds"]
    rows = []
    for method, title in methods.items():
        claim = claims.get((problem, method))
        claimed = f"{number(claim.mse)}, {number(claim.linf)}" if claim else "-"
        rows.append([title, claimed, *_measured(results.cell(problem, method, seeds=seeds))])
    return markdown(head, rows)


def _measured(cell: Cell) -> list[str]:
    count = f"{len(cell.lines)} of {cell.wanted}"
    if not cell.lines:
        return [NONE, "-", "-", "-", count]
    best = f"{number(cell.best['mse'])}, {number(cell.best['linf'])}"
    each = ", ".join(number(value) for value in cell.mse)
    return [best, each, number(cell.median), str(cell.failed), count]


def of_variants(
    results: Results,
    problem: str,
    variants: Mapping[str, str],
    claims: Mapping[tuple[str, str], tuple[Claim, Claim]],
) -> str:
    """One row per variant on a problem: the best MSE without AutoBalance and with it, the paper's and ours.

    Args:
        problem: Name in the results, such as ``helmholtz_2d``.
        variants: Name in the results -> name in the table.
        claims: The paper's numbers by problem and variant.
    """
    head = ["variant", "paper: without", "paper: with", "ours: without", "ours: with", "with / without", "seeds"]
    rows = []
    for variant, title in variants.items():
        paper = [number(claim.mse) for claim in claims[problem, variant]]
        without, with_ours = (results.cell(problem, method, variant) for method in (PLAIN, OURS))
        both = without.lines and with_ours.lines
        ratio = f"{100 * with_ours.best['mse'] / without.best['mse']:.3g} %" if both else "-"
        ours = [", ".join(number(value) for value in cell.mse) or NONE for cell in (without, with_ours)]
        count = f"{len(without.lines)} and {len(with_ours.lines)} of {without.wanted}"
        rows.append([title, *paper, *ours, ratio, count])
    return markdown(head, rows)
