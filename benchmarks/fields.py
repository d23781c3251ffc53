"""`python -m benchmarks fields`: finished runs to small files of their solutions, for the heatmaps."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from benchmarks.figures.rows import FOLDER, ROWS, best_of
from lightning_autobalance import problems
from lightning_autobalance.module import PINNModule
from lightning_autobalance.training.record import CHECKPOINT_KEY

RUNS = Path("runs/bench")
SIDE = 101  # points along each axis


def loaded(path: Path) -> PINNModule:
    """Load the trained module of a checkpoint, of any problem."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    kind: type[PINNModule] = getattr(problems, saved[CHECKPOINT_KEY]["problem"])
    return kind.load_from_checkpoint(path, map_location="cpu").eval()


def write(module: PINNModule, iterations: int, out: Path) -> None:
    """Save the exact solution on a grid and the error, in half precision.

    Args:
        module: Trained module with two coordinates.
        iterations: Optimizer steps it was trained for.
        out: Path of the ``.npz`` file.
    """
    bounds = module.domain.bounds
    axes = [torch.linspace(low, high, SIDE) for low, high in bounds]
    grid = torch.cartesian_prod(*axes)
    field = module.fields.index((module.reported or module.fields)[0])
    with torch.no_grad():
        found, exact = (values[:, field].view(SIDE, SIDE).numpy() for values in (module(grid), module.exact(grid)))
    told = json.dumps({"iterations": iterations, "extent": [edge for pair in bounds for edge in pair]})
    out.parent.mkdir(parents=True, exist_ok=True)
    error = (found - exact).astype(np.float16)
    np.savez_compressed(out, error=error, exact=exact.astype(np.float16), told=told)


def main(args: list[str]) -> None:
    """Write the solutions that the figures show, from the finished runs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fields", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the sweeps' runs")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args(args)
    for name in sorted(f"{problem}-{'-'.join(row)}-0" for problem, rows in ROWS.values() for row in rows):
        if (run := best_of(arguments.runs, name)) is not None:
            steps = int(run.name.rsplit("-", 1)[1])
            write(loaded(run / "checkpoints" / "last.ckpt"), steps, arguments.out / f"{name}.npz")
            Console().print(f"{name}: from {run}", soft_wrap=True)
