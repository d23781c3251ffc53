"""The report: tables, claims and verdicts, from the results files alone."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.reproduction import verdicts
from benchmarks.reproduction.experiments import ABLATION, ABLATION_SEEDS, EXTRA
from benchmarks.reproduction.paper import (
    METHODS,
    OURS,
    PLAIN,
    PROBLEMS,
    TABLE_1,
    TABLE_2,
    VARIANTS,
)
from benchmarks.reproduction.results import Results
from benchmarks.reproduction.tables import markdown, of_methods, of_variants

PAGE = Path("docs/reproduction.md")
LITERAL_NOISE = "poisson_inverse_2d_noise_0.1"
HEAD = """# The paper, reproduced

What the AutoBalance paper reports and what came out here, with the same problems, networks, points, schedule and
steps. `python -m benchmarks reproduce all` trains what is missing and writes this page; the numbers come from
`results/`, one line per run, with settings, versions and error history; runs with `--model.compile=true` among their
options differ from others by rounding. What is missing is called missing.

How to read it: *best* is the best of the seeds, as in the paper; *failed* counts runs whose error is not below that of
the zero function; a verdict follows from the numbers beside it by a rule in the code, and is given only when every run
that it needs is there.
"""
TABLE_1_NOTE = """Three hidden layers of 50 tanh units (two networks of four layers for the inverse problem), points
drawn once per seed, errors on a grid of 300 by 300 points. EW is plain AdamW on the sum of the losses.
"""
NOISE_NOTE = """The paper's text gives the measurements noise of standard deviation 0.1, with which its numbers are
out of reach; the table above is with 0.01. With 0.1:
"""
EXTRA_NOTE = "Methods that the paper does not have, by the same settings."
ABLATION_NOTE = """AutoAdamW on Helmholtz, one setting changed at a time. The first row is the setting of Table 1."""


def page(
    results: Results, pictures: Sequence[tuple[str, str]] = (), conditions: verdicts.Conditions | None = None
) -> str:
    """The whole page.

    Args:
        pictures: Captions and files of the figures, relative to the page.
        conditions: Condition numbers by kind, see `verdicts.better_conditioned`.
    """
    found = verdicts.all_of(results, conditions or {})
    sections = [
        HEAD,
        "## Claims and verdicts",
        markdown(["claim", "verdict", "numbers"], [[v.claim, f"**{v.verdict}**", v.numbers] for v in found]),
        "## Table 1: methods",
        TABLE_1_NOTE,
        *_methods(results),
        NOISE_NOTE,
        of_methods(results, LITERAL_NOISE, {name: METHODS[name] for name in (PLAIN, OURS)}, {}),
        "## What depends on the seed",
        _spreads(results),
        "## Table 2: variants",
        "The MSE of every seed; *with / without* compares the best seeds, as the paper does.",
        *_variants(results),
        "## More methods",
        EXTRA_NOTE,
        *_extra(results),
        "## Ablation",
        ABLATION_NOTE,
        of_methods(results, verdicts.WATCHED, _ablations(), {}, len(ABLATION_SEEDS)),
        *(["## Figures"] if pictures else []),
        *(f"![{caption}]({file})\n\n*{caption}*" for caption, file in pictures),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _methods(results: Results) -> list[str]:
    return [f"### {title}\n\n{of_methods(results, problem, METHODS, TABLE_1)}" for problem, title in PROBLEMS.items()]


def _variants(results: Results) -> list[str]:
    return [
        f"### {title}, variants\n\n{of_variants(results, problem, VARIANTS, TABLE_2)}"
        for problem, title in PROBLEMS.items()
    ]


def _extra(results: Results) -> list[str]:
    rows = {name: title for name, (title, _, _) in EXTRA.items()}
    return [f"### {title}, more\n\n{of_methods(results, problem, rows, {})}" for problem, title in PROBLEMS.items()]


def _ablations() -> dict[str, str]:
    return {OURS: "as in Table 1", **{name: title for name, (title, _) in ABLATION.items()}}


def _spreads(results: Results) -> str:
    """Which methods end at errors that differ by more than a factor of ten from seed to seed."""
    rows = []
    for problem, title in PROBLEMS.items():
        for method, name in METHODS.items():
            cell = results.cell(problem, method)
            if len(cell.lines) > 1 and max(cell.mse) > 10 * min(cell.mse):
                ratio = max(cell.mse) / min(cell.mse)
                rows.append([title, name, f"{ratio:.3g}", f"{len(cell.lines)} of {cell.wanted}"])
    if not rows:
        return "No method's errors differ by more than a factor of ten between the seeds that are there."
    head = ["problem", "method", "largest / least MSE", "seeds"]
    return "Where the errors of the seeds differ by more than a factor of ten:\n\n" + markdown(head, rows)
