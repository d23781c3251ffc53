"""`python -m benchmarks docs`: results files to the numbers in the docs."""

import argparse
import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import quickstart
from benchmarks.compile_cost import CASES
from benchmarks.main_job import OUT, PROBLEMS, SEEDS
from benchmarks.report import TITLES, speed
from benchmarks.sweeps import read
from lightning_autobalance.training.compile_rule import steps_enough, units

Result = Mapping[str, Any]
SPEED = Path("results/speed")


def blocks() -> dict[tuple[Path, str], str]:
    """The generated text by page and name of its markers."""
    return {
        (quickstart.PAGE, "output"): printed(json.loads(quickstart.OUT.read_text())["output"]),
        (Path("docs/concepts.md"), "speed"): speed(SPEED),
        (Path("docs/how-to/speed.md"), "speed"): speed(SPEED),
        (Path("docs/how-to/speed.md"), "compile"): compiling(SPEED / "compile.json"),
        (Path("docs/how-to/hard-constraints.md"), "derivatives"): derivatives(SPEED / "derivatives.json"),
        (Path("docs/how-to/multi-gpu.md"), "ddp"): ddp(SPEED / "ddp.json"),
        (Path("docs/methods/which.md"), "finish_cost"): finish_cost(SPEED / "finish.json"),
        (Path("docs/when-not.md"), "comparison"): comparison(read(OUT)),
    }


def compiling(path: Path) -> str:
    """What compiling costs and gains, and from how many steps on `compile: auto` does it, as a table.

    Args:
        path: Results of `compile_cost`.
    """
    lines = [
        "| problem | compiling, s: new, known | ms a step | compiled | earned after: new, known | `auto` from |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in json.loads(path.read_text())["cases"].items():
        case = CASES[name]
        rule = steps_enough(sum(case.counts.values()) * units(case.net()))
        title = TITLES[name].split(",")[0] if name in TITLES else f"Helmholtz, {name}"
        cells = [
            title,
            f"{found['cold_s']:.0f}, {found['warm_s']:.0f}",
            f"{found['eager_ms']:.1f}",
            f"{found['ratio']:.2f}x",
            f"{found['steps']:,}, {found['steps_warm']:,} steps",
            f"{rule:,}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def printed(lines: Iterable[str]) -> str:
    """Lines of a terminal as a fenced block."""
    return "\n".join(["```text", *lines, "```"])


def derivatives(path: Path) -> str:
    """What nested reverse mode costs, as a sentence.

    Args:
        path: Results of `derivatives_speed`.
    """
    found = json.loads(path.read_text())
    low, high = (1 / ratio for ratio in reversed(found["ratio_range"]))
    return (
        f"Measured on the Helmholtz residual with its parameter gradient, {found['points']:,} points, one CPU thread: "
        f"reverse\nmode takes {1 / found['ratio']:.1f} times as long as Taylor mode ({low:.1f} to {high:.1f})."
    )


def ddp(path: Path) -> str:
    """What a step costs when two processes share it, as a sentence.

    Args:
        path: Results of `ddp_cost`.
    """
    found = json.loads(path.read_text())
    ratios = [found[f"steps_per_call_{each}"] for each in (1, 10)]
    one, ten = (f"{r['ratio']:.2f} ({r['ratio_range'][0]:.2f} to {r['ratio_range'][1]:.2f})" for r in ratios)
    return (
        "Measured on the Helmholtz benchmark, two processes beside one, one CPU thread each, on two cores:\n"
        f"a step takes {one} times as long, and {ten} with `steps_per_call: 10`."
    )


def finish_cost(path: Path) -> str:
    """What a step of Levenberg-Marquardt costs, and what it gains on a large problem, as sentences.

    Args:
        path: Results of `finish_cost`; it need not be there.
    """
    if not path.exists():
        return "Not measured yet: `python -m benchmarks finish_cost` compares this with a step."
    found = json.loads(path.read_text())
    step, large = found["step"], found["large"]
    low, high = step["ratio_quartiles"]
    ends = {name: large[name][-1] for name in ("LevenbergMarquardt", "LBFGS")}
    after = ", ".join(f"{name} {loss:.2e} after {seconds:.0f} CPU s" for name, (seconds, loss) in ends.items())
    return (
        f"Measured on Helmholtz, {step['rows']:,} rows and {step['parameters']:,} parameters, one thread: a step took\n"
        f"{step['step_seconds']:.2f} s, {step['ratio']:.2f} times its bare matrix work "
        f"(quartiles {low:.2f} to {high:.2f}), and raised the peak memory by\n"
        f"{step['peak_bytes'] / 2**20:.0f} MiB where the formula gives {step['formula_bytes'] / 2**20:.0f} MiB. "
        f"On {large['rows']:,} rows and {large['parameters']:,} parameters, parts of the rows "
        f"against\nL-BFGS from the same start, the loss was: {after}."
    )


def comparison(results: Iterable[Result]) -> str:
    """AutoAdamW beside AdamW, seed by seed: how often which was better, and a Markdown table.

    Args:
        results: Lines of a results file; a seed without both methods is left out.
    """
    found = {(r["problem"], r["seed"], r["method"]): r for r in results}
    lower = []
    lines = [
        "| problem | seed | MSE: AutoAdamW | MSE: AdamW | lower | mean cosine of the updates |",
        "|---|---|---|---|---|---|",
    ]
    for problem in PROBLEMS:
        for seed in SEEDS:
            ours, plain = (found.get((problem, seed, method)) for method in ("auto_adamw", "adamw"))
            if ours and plain:
                lower.append("AutoAdamW" if ours["mse"] < plain["mse"] else "AdamW")
                errors = f"{ours['mse']:.2e} | {plain['mse']:.2e} | {lower[-1]}"
                lines.append(f"| {TITLES[problem]} | {seed} | {errors} | {opposition(ours):.2f} |")
    return "\n".join([f"Plain AdamW has the lower error in {lower.count('AdamW')} of {len(lower)} pairs.", "", *lines])


def opposition(result: Result) -> float:
    """The mean cosine between the updates of the terms, over a run's validations and all pairs."""
    cosines = [v for row in result["history"] for name, v in row.items() if name.startswith("balance/update_cos/")]
    return statistics.fmean(cosines)


def between(text: str, name: str, body: str) -> str:
    """The page with the text between two markers replaced.

    Args:
        name: The markers are ``<!-- name:begin -->`` and ``<!-- name:end -->``.
        body: The new text.

    Raises:
        ValueError: If a marker is missing or there twice.
    """
    begin, end = (f"<!-- {name}:{word} -->" for word in ("begin", "end"))
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"`text` must hold the markers {begin} and {end} once, in this order.")
    return f"{text.split(begin)[0]}{begin}\n{body}\n{end}{text.split(end)[1]}"


def main(args: list[str]) -> None:
    """Rewrite the pages."""
    argparse.ArgumentParser(prog="python -m benchmarks docs", description=__doc__).parse_args(args)
    for (page, name), body in blocks().items():
        page.write_text(between(page.read_text(), name, body))
