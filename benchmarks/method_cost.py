"""`python -m benchmarks method_cost`: what a step of every method costs, beside plain AdamW.

Each method's run stands between two of AdamW and is divided by their mean: a machine that slows down slows both.
"""

import argparse
import json
import logging
import statistics
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.loop_cost import Clock
from benchmarks.report import rewrite
from lightning_autobalance.optim import AutoBalance

PROBLEM = "configs/helmholtz_2d.yaml"
BASE, REFERENCE = "adamw", "auto_adamw"
PAGE = Path("docs/methods/cost.md")


def train(configs: Sequence[str], steps: int, folder: str, *options: str) -> tuple[float, float]:
    """Train a stack of configurations for some steps.

    Args:
        configs: YAML files, later ones override earlier ones.
        steps: How many.
        folder: Root folder of the Trainer.
        *options: Further command line options.

    Returns:
        Seconds per step, and the numbers that optimizer and balancer keep between steps, per parameter.
    """
    from lightning_autobalance.cli.lightning_cli import run

    callbacks = [
        {"class_path": "lightning_autobalance.callbacks.BalanceMonitor"},
        {"class_path": f"{__package__}.loop_cost.Clock"},
    ]
    cli = run(
        [
            "fit",
            *(f"--config={config}" for config in configs),
            f"--trainer.max_steps={steps}",
            f"--trainer.default_root_dir={folder}",
            f"--trainer.callbacks={json.dumps(callbacks)}",
            "--trainer.accelerator=cpu",
            "--trainer.logger=false",
            "--trainer.enable_progress_bar=false",
            "--trainer.enable_model_summary=false",
            "--trainer.enable_checkpointing=false",
            "--trainer.limit_val_batches=0",
            "--default_callbacks=false",
            *options,
        ]
    )
    clock = next(callback for callback in cli.trainer.callbacks if isinstance(callback, Clock))  # type: ignore[attr-defined]
    numbers = sum(p.numel() for p in cli.model.parameters())
    optimizer, balancer = cli.trainer.optimizers[0], cli.model.balancer
    kept = list(_tensors(optimizer.state_dict()["state"]))
    if isinstance(optimizer, AutoBalance):
        kept += _tensors(optimizer.state_dict()["optimizers"])
        kept += [torch.empty(optimizer.param_groups[0]["terms"], numbers)]  # the copies of the parameters
    kept += list(balancer.buffers()) if balancer is not None else []
    return clock.seconds, sum(t.numel() for t in kept) / numbers


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def measure(methods: list[str], steps: int, repeats: int) -> list[dict[str, Any]]:
    """Ratio to AdamW of every method.

    Args:
        methods: Stems of files in ``configs/method``.
        steps: Optimizer steps of each run.
        repeats: Number of runs of each.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method in methods:
            ratios, kept = [], 0.0
            for _ in range(repeats):
                before, _ = train(_stack(BASE), steps, folder)
                inside, kept = train(_stack(method), steps, folder)
                after, _ = train(_stack(BASE), steps, folder)
                ratios.append(2 * inside / (before + after))
            row = {
                "method": method,
                "ratio": statistics.median(ratios),
                "range": [min(ratios), max(ratios)],
                "kept": kept,
            }
            found.append(row)
            Console().print(row)
    return found


def _stack(method: str) -> tuple[str, str]:
    return PROBLEM, f"configs/method/{method}.yaml"


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table, the cheapest first."""
    reference = next(row["ratio"] for row in rows if row["method"] == REFERENCE)
    lines = [
        "| configuration | step, by AdamW's: median (range) | by AutoAdamW's | numbers kept per parameter |",
        "|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: float(row["ratio"])):
        low, high = row["range"]
        lines.append(
            f"| `{row['method']}` | {row['ratio']:.2f} ({low:.2f} to {high:.2f}) | {row['ratio'] / reference:.2f} | "
            f"{row['kept']:.1f} |"
        )
    return "\n".join(lines)


def main(args: list[str]) -> None:
    """Measure, write the results, rewrite the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks method_cost", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/speed/methods.json"))
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rewrite-only", action="store_true", help="only the page, from the results")
    arguments = parser.parse_args(args)
    if not arguments.rewrite_only:
        torch.set_num_threads(1)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        methods = sorted(path.stem for path in Path("configs/method").glob("*.yaml") if path.stem != BASE)
        found = measure(methods, arguments.steps, arguments.repeats)
        settings = {"steps": arguments.steps, "repeats": arguments.repeats, "torch": torch.__version__}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({**settings, "rows": found}, indent=2) + "\n")
    rewrite(arguments.page, table(json.loads(arguments.out.read_text())["rows"]))
