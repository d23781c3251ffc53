"""`python -m benchmarks variant_cost`: what a step of every variant costs, beside the plain PINN.

Each variant's run stands between two of the plain PINN and is divided by their mean. Variants that choose new points
do so ten times as often as by default, so that a short run does it once.
"""

import argparse
import json
import logging
import statistics
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.main_job import PROBLEMS
from benchmarks.method_cost import train
from benchmarks.report import TITLES, rewrite
from benchmarks.table2 import NEED_TIME, OTHERS, PAPER, WITHOUT_TIME, config_of

OUT = Path("results/speed/variants.json")
PAGE = Path("docs/methods/variants.md")
SETTINGS = {  # new points once in a run, ten times as often as by default
    "cwp": ("--model.variant.init_args.resample_every=100",),
    "rad": ("--model.variant.init_args.interval=100",),
    "rar": ("--model.variant.init_args.interval=100",),
}
METHODS = ("auto_adamw", "adamw")


def measure(steps: int, repeats: int, variants: Sequence[str] = (*PAPER, *OTHERS)) -> list[dict[str, Any]]:
    """Ratio to the plain PINN of every variant on every problem that it can be used on.

    Args:
        steps: Optimizer steps of each run.
        repeats: Number of runs of each.
    """
    ratios: dict[tuple[str, str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for problem, method in ((p, m) for p, (_, extra) in PROBLEMS.items() if not extra for m in METHODS):
            plain = (PROBLEMS[problem][0], f"configs/method/{method}.yaml")
            for _ in range(repeats):
                before, _ = train(plain, steps, folder)
                for variant in (v for v in variants if v not in NEED_TIME or problem not in WITHOUT_TIME):
                    inside, _ = train((*plain, config_of(variant, problem)), steps, folder, *SETTINGS.get(variant, ()))
                    after, _ = train(plain, steps, folder)
                    ratios.setdefault((variant, problem, method), []).append(2 * inside / (before + after))
                    before = after
            Console().print({key: value for key, value in ratios.items() if key[1:] == (problem, method)})
    return [_row(*key, found) for key, found in ratios.items()]


def _row(variant: str, problem: str, method: str, ratios: list[float]) -> dict[str, Any]:
    median, spread = round(statistics.median(ratios), 3), [round(min(ratios), 3), round(max(ratios), 3)]
    return {"variant": variant, "problem": problem, "method": method, "ratio": median, "range": spread}


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table: a row per variant, a column per problem and method."""
    ratios = {(row["variant"], row["problem"], row["method"]): row for row in rows}
    problems = [problem for problem in PROBLEMS if any(row["problem"] == problem for row in rows)]
    columns = [(problem, method) for problem in problems for method in METHODS]
    lines = [
        f"| variant | {' | '.join(', '.join(TITLES[key].split(',')[0] for key in column) for column in columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for variant in sorted({row["variant"] for row in rows}, key=[*PAPER, *OTHERS].index):
        cells = [ratios.get((variant, *column)) for column in columns]
        shown = [f"{c['ratio']:.2f} ({c['range'][0]:.2f} to {c['range'][1]:.2f})" if c else "-" for c in cells]
        lines.append(f"| `{variant}` | {' | '.join(shown)} |")
    return "\n".join(lines)


def main(args: list[str]) -> None:
    """Measure, write the results, rewrite the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks variant_cost", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--variants", nargs="+", default=[*PAPER, *OTHERS])
    parser.add_argument("--rewrite-only", action="store_true", help="only the page, from the results")
    arguments = parser.parse_args(args)
    if not arguments.rewrite_only:
        torch.set_num_threads(1)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        found = measure(arguments.steps, arguments.repeats, arguments.variants)
        if arguments.out.exists():  # what is not measured anew stays
            before = json.loads(arguments.out.read_text())["rows"]
            found = [row for row in before if row["variant"] not in arguments.variants] + found
        settings = {"steps": arguments.steps, "repeats": arguments.repeats, "torch": torch.__version__}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({**settings, "rows": found}, indent=2) + "\n")
    rewrite(arguments.page, table(json.loads(arguments.out.read_text())["rows"]))
