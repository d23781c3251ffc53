"""`python -m benchmarks derivatives_speed`: Taylor mode against nested reverse mode.

Loss and parameter gradient of the Helmholtz residual, 2,000 points, 3x50 tanh, float32, one thread; both alternate.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console

from lightning_autobalance.derivatives import partials
from lightning_autobalance.nets import MLP


def seconds(net: torch.nn.Module, x: torch.Tensor, mode: Literal["taylor", "reverse"]) -> float:
    """Time of one loss with its gradient.

    Args:
        x: Points (b, 2).
        mode: Mode of the derivatives by the coordinates.
    """
    start = time.perf_counter()
    u, laplacian = partials(net, x, "", "xx+yy", mode=mode)
    loss = (laplacian + u).square().mean()
    torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return time.perf_counter() - start


def measure(repeats: int, points: int = 2000) -> dict[str, Any]:
    """Milliseconds of both modes, and the median of their ratio with the middle half of the pairs.

    Args:
        repeats: Number of pairs.
        points: Number of points b.
    """
    torch.manual_seed(0)
    net, x = MLP(2, 1, [50, 50, 50]), torch.rand(points, 2)
    for _ in range(10):
        seconds(net, x, "taylor"), seconds(net, x, "reverse")
    pairs = [(seconds(net, x, "taylor"), seconds(net, x, "reverse")) for _ in range(repeats)]
    ratios = [taylor / reverse for taylor, reverse in pairs]
    quarters = statistics.quantiles(ratios, n=4)
    return {
        "taylor_ms": round(1e3 * statistics.median(taylor for taylor, _ in pairs), 3),
        "reverse_ms": round(1e3 * statistics.median(reverse for _, reverse in pairs), 3),
        "ratio": round(quarters[1], 3),
        "ratio_range": [round(quarters[0], 3), round(quarters[2], 3)],
        "repeats": repeats,
        "points": points,
        "torch": torch.__version__,
    }


def main(args: list[str]) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks derivatives_speed", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/speed/derivatives.json"))
    parser.add_argument("--repeats", type=int, default=200)
    arguments = parser.parse_args(args)
    torch.set_num_threads(1)
    found = measure(arguments.repeats)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    Console().print(found)
