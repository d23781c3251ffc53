"""`python -m benchmarks.ensemble_cost`: k seeds at once, beside k single runs one after the other.

Each ensemble stands between two single runs; the ratio is its time per step by k times the mean of theirs. One thread.
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
from lightning.pytorch import Trainer
from rich.console import Console

from benchmarks.loop_cost import Clock
from benchmarks.report import rewrite
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.nets import MLP
from lightning_autobalance.problems import Helmholtz2D
from lightning_autobalance.sweeps.ensemble import SeedEnsemble

OUT = Path("results/speed/ensemble.json")
PAGE = Path("docs/how-to/seeds.md")
SIZES: dict[str, tuple[list[int], dict[str, int]]] = {
    "small": ([20] * 3, {"interior": 160, "boundary": 40}),
    "helmholtz_2d": ([50] * 3, {"interior": 2000, "boundary": 400}),
}


def seconds(size: str, seeds: Sequence[int], steps: int, folder: str) -> float:
    """Seconds per step of all seeds at once, stacked.

    Args:
        size: Of the network and the points.
        seeds: One run each.
        steps: How many.
        folder: For what the Trainers write.
    """
    hidden, counts = SIZES[size]
    clocks: list[Clock] = []

    def make(seed: int) -> tuple[Trainer, Helmholtz2D, CollocationPoints]:  # noqa: ARG001
        clocks.append(Clock())
        trainer = Trainer(
            max_steps=steps,
            accelerator="cpu",
            devices=1,
            logger=False,
            callbacks=[clocks[-1]],
            enable_model_summary=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            limit_val_batches=0,
            default_root_dir=folder,
        )
        return trainer, Helmholtz2D(net=MLP(2, 1, hidden)), CollocationPoints(counts)

    SeedEnsemble.of(make, seeds).fit(stack=True)
    return clocks[0].seconds


def measure(counts: Sequence[int], repeats: int, steps: int) -> list[dict[str, Any]]:
    """Medians and ranges of the ratio, by size and number of seeds.

    Args:
        counts: Numbers of seeds.
        repeats: Ensembles of each.
        steps: Steps of every run.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for size, k in ((size, k) for size in SIZES for k in counts):
            ratios, single, whole = [], [], []
            before = seconds(size, [0], steps, folder)
            for _ in range(repeats):
                inside, after = seconds(size, range(k), steps, folder), seconds(size, [0], steps, folder)
                ratios.append(2 * inside / (k * (before + after)))
                single.append(1e3 * (before + after) / 2)
                whole.append(1e3 * inside)
                before = after
            rows.append(
                {
                    "size": size,
                    "seeds": k,
                    "ratio": round(statistics.median(ratios), 3),
                    "range": [round(min(ratios), 3), round(max(ratios), 3)],
                    "single_ms": round(statistics.median(single), 3),
                    "ensemble_ms": round(statistics.median(whole), 3),
                }
            )
            Console().print(rows[-1])
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table.

    Args:
        rows: What `measure` gave.
    """
    lines = [
        "| network and points | seeds | step of one seed | step of all | by as many single steps: median (range) |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        hidden, counts = SIZES[row["size"]]
        what = f"{len(hidden)} hidden layers of {hidden[0]}, {' and '.join(f'{n:,}' for n in counts.values())} points"
        low, high = row["range"]
        lines.append(
            f"| {what} | {row['seeds']} | {row['single_ms']:.1f} ms | {row['ensemble_ms']:.1f} ms "
            f"| {row['ratio']:.2f} ({low:.2f} to {high:.2f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, write the results, rewrite the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--rewrite-only", action="store_true", help="only the page, from the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=220)
    arguments = parser.parse_args()
    if not arguments.rewrite_only:
        torch.set_num_threads(1)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        rows = measure(arguments.seeds, arguments.repeats, arguments.steps)
        settings = {"steps": arguments.steps, "repeats": arguments.repeats, "threads": 1, "torch": torch.__version__}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({**settings, "rows": rows}, indent=2) + "\n")
    rewrite(arguments.page, table(json.loads(arguments.out.read_text())["rows"]))


if __name__ == "__main__":
    main()
