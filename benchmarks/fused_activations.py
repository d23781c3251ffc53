"""`python -m benchmarks.fused_activations`: what the fused activations of Taylor mode save, piece by piece.

One pass from the points to the gradients of all terms, three paper problems, float32, one thread, eager. (Compiled, the
fused functions are never used.) Rounds alternate between the forms, in turn forwards and backwards; a round counts the
fastest of four passes, in CPU time and in wall time.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console
from torch import Tensor

from lightning_autobalance import PINNModule
from lightning_autobalance.derivatives import fused, taylor
from lightning_autobalance.derivatives.fused import Layout
from lightning_autobalance.jacobian import term_gradients
from lightning_autobalance.points import Uniform, sample
from lightning_autobalance.problems import Helmholtz2D, PoissonInverse2D, ReactionDiffusion1D
from lightning_autobalance.utils.malloc import keep_freed_memory

PROBLEMS: dict[type[PINNModule], dict[str, int]] = {  # points by part, as in configs/
    Helmholtz2D: {"interior": 2000, "boundary": 400},
    ReactionDiffusion1D: {"interior": 2000, "boundary": 50, "initial": 50},
    PoissonInverse2D: {"interior": 100},
}


def inner_reference(product: Tensor, bias: Tensor, layout: Layout) -> Tensor:
    """`activate` in torch's own operations."""
    return fused.activate_reference([product[0] + bias, *product[1:]], layout)


def first_reference(value: Tensor, columns: Tensor, layout: Layout) -> Tensor:
    """`activate_first` in torch's own operations."""
    return fused.activate_reference(fused._after_first(value, columns, layout), layout)


def inner_lean(product: Tensor, bias: Tensor, layout: Layout) -> Tensor:
    """The same as `inner_reference` without sums that start from zeros."""
    value, *streams = product.unbind(0)
    value, slope, curvature = layout.f(value + bias, 2)
    firsts, seconds = streams[: layout.firsts], streams[layout.firsts :]
    kept = [] if layout.drop_firsts else [slope * first for first in firsts]
    products = [sum_of_products(firsts, pairs) for pairs in layout.pairs]
    bent = [torch.addcmul(slope * s, curvature, product) for s, product in zip(seconds, products, strict=True)]
    return torch.stack([value, *kept, *bent])


def first_lean(value: Tensor, columns: Tensor, layout: Layout) -> Tensor:
    """The same as `first_reference` without second derivatives that are zero."""
    value, slope, curvature = layout.f(value, 2)
    kept = [] if layout.drop_firsts else [slope * column for column in columns]
    return torch.stack([value, *kept, *(curvature * sum_of_products(columns, pairs) for pairs in layout.pairs)])


def sum_of_products(firsts: Any, pairs: Any) -> Tensor:
    """Of the pairs of a chain rule."""
    return reduce(torch.add, [firsts[i] * firsts[j] for i, j in pairs])


FORMS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "fused": (fused.activate, fused.activate_first),
    "reference": (inner_reference, first_reference),
    "first layer by reference": (fused.activate, first_reference),
    "inner layers by reference": (inner_reference, fused.activate_first),
    "first layer lean": (fused.activate, first_lean),
    "all lean": (inner_lean, first_lean),
}


def seconds(module: PINNModule, points: Mapping[str, Tensor], form: str) -> tuple[float, float]:
    """CPU and wall time of the fastest of four passes."""
    params, found = list(module.parameters()), []
    inner, first = FORMS[form]
    with patch.object(taylor, "activate", inner), patch.object(taylor, "activate_first", first):
        for _ in range(4):
            cpu, wall = time.process_time(), time.perf_counter()
            losses = {term: r.square().mean() for term, r in module.residuals(points).items()}
            term_gradients(losses, params, shared=False)
            found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(cpu for cpu, _ in found), min(wall for _, wall in found)


def measure(kind: type[PINNModule], rounds: int) -> dict[str, Any]:
    """By form, its time divided by the fused one's in the same round: median and quartiles."""
    torch.manual_seed(0)
    module = kind()
    drawn = {part: sample(kind.domain, part, count, Uniform(), 0, 0) for part, count in PROBLEMS[kind].items()}
    points = {part: torch.as_tensor(x, dtype=torch.float32) for part, x in drawn.items()}
    times: dict[str, list[tuple[float, float]]] = {form: [] for form in FORMS}
    for i in range(rounds + 2):
        for form in list(FORMS) if i % 2 else list(FORMS)[::-1]:
            found = seconds(module, points, form)
            if i >= 2:
                times[form].append(found)
    rows: dict[str, Any] = {}
    for form in list(FORMS)[1:]:
        for clock, name in enumerate(("cpu", "wall")):
            ratios = [a[clock] / b[clock] for a, b in zip(times[form], times["fused"], strict=True)]
            low, middle, high = (round(quartile, 3) for quartile in statistics.quantiles(ratios, n=4))
            rows.setdefault(form, {})[name] = {"ratio": middle, "quartiles": [low, high]}
    return rows


def main(args: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("results/speed/fused_activations.json"))
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args(args)
    torch.set_num_threads(1)
    keep_freed_memory()
    found: dict[str, Any] = {"rounds": arguments.rounds, "torch": torch.__version__}
    found |= {kind.__name__: measure(kind, arguments.rounds) for kind in PROBLEMS}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    Console().print(found)


if __name__ == "__main__":
    main()
