"""`python -m benchmarks finish_cost`: what a step of Levenberg-Marquardt costs, and what it gains on a large problem.

On Helmholtz with the paper's network and points a step is compared, in turns on one thread, with its bare matrix work:
J J^T and its Cholesky factor, by torch alone. The peak memory of a step is compared with the formula of the docs. On a
network of 4 x 100 with 10,000 points, whose Jacobian does not fit into the default memory, Levenberg-Marquardt on parts
of the rows runs for as long as L-BFGS from the same start.
"""

import argparse
import json
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import process_time
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance import step as stages
from lightning_autobalance.jacobian import backward
from lightning_autobalance.jacobian.linear_tape import LinearTape
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoSOAP
from lightning_autobalance.optim.finish import LBFGS, Finisher, LevenbergMarquardt
from lightning_autobalance.points import Uniform, sample
from lightning_autobalance.problems import Helmholtz2D

OUT = Path("results/speed/finish.json")
SMALL = ([50, 50, 50], {"interior": 2000, "boundary": 400})
LARGE = ([100] * 4, {"interior": 8000, "boundary": 2000})
START = 400  # steps of AutoSOAP before the large problem's finish


def problem(hidden: list[int], counts: dict[str, int]) -> tuple[Helmholtz2D, dict[str, Tensor]]:
    """Helmholtz with a network and fixed points.

    Args:
        hidden: Widths of the hidden layers.
        counts: Number of points by part.
    """
    torch.manual_seed(0)
    module = Helmholtz2D(net=MLP(2, 1, hidden))
    drawn = {part: sample(module.domain, part, count, Uniform(), 0, 0) for part, count in counts.items()}
    return module, {part: torch.as_tensor(x).float() for part, x in drawn.items()}


def stepper(module: Helmholtz2D, points: dict[str, Tensor], finisher: Finisher) -> Callable[[], Any]:
    """A function that takes one step of a finisher."""
    stage, losses = stages.FinishStage(finisher), stages.ResidualLosses(module.variant, module.residuals)
    return partial(stage, module, losses, points, list(module.parameters()), weights={}, step=0)


def seconds(function: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    start = process_time()
    function()
    return process_time() - start


def formula(module: Helmholtz2D, points: dict[str, Tensor]) -> int:
    """The formula of the docs for the peak memory of a step, in bytes.

    Args:
        module: The problem.
        points: By part, each (b, d).
    """
    params = list(module.parameters())
    with LinearTape(params) as tape:
        rows = sum(r.numel() for r in module.residuals(points).values())
    outputs = sum(call.outputs.numel() for call in tape.calls)
    parameters = sum(p.numel() for p in params)
    sizes: int = rows * parameters + 3 * min(rows, parameters) ** 2 + 9 * outputs
    return 8 * sizes


def peak(hidden: list[int], counts: dict[str, int]) -> tuple[int, int]:
    """By how much the first two steps of a process raise its peak memory, in bytes, and what the formula gives.

    Args:
        hidden: Widths of the hidden layers.
        counts: Number of points by part.
    """
    stepper(*problem([4], {"interior": 4, "boundary": 4}), LevenbergMarquardt(-1))()  # loads libraries
    module, points = problem(hidden, counts)
    step = stepper(module, points, LevenbergMarquardt(-1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    step()
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before), formula(module, points)


def cost(rounds: int) -> dict[str, Any]:
    """A step beside its bare matrix work, and its peak memory beside the formula.

    Args:
        rounds: Number of turns.
    """
    peak_bytes, formula_bytes = peak(*SMALL)
    module, points = problem(*SMALL)
    rows, parameters = sum(SMALL[1].values()), sum(p.numel() for p in module.parameters())
    step = stepper(module, points, LevenbergMarquardt(-1))
    step()
    matrix = torch.randn(rows, parameters, dtype=torch.float64)
    damped = matrix @ matrix.T + 1e-3 * torch.eye(rows, dtype=torch.float64)
    bare = [seconds(lambda: torch.linalg.cholesky(matrix @ matrix.T + damped)) for _ in range(rounds)]
    whole = [seconds(step) for _ in range(rounds)]
    ratios = [a / b for a, b in zip(whole, bare, strict=True)]
    return {
        "rows": rows,
        "parameters": parameters,
        "step_seconds": median(whole),
        "bare_seconds": median(bare),
        "ratio": median(ratios),
        "ratio_quartiles": quantiles(ratios, n=4)[::2],
        "peak_bytes": peak_bytes,
        "formula_bytes": formula_bytes,
    }


def race(budget: float) -> dict[str, Any]:
    """The loss over CPU seconds on the large problem, by finisher.

    Args:
        budget: CPU seconds of each.
    """
    module, points = problem(*LARGE)
    params = list(module.parameters())
    optimizer = AutoSOAP(params, lr=5e-3)
    for _ in range(START):
        backward({term: r.square().mean() for term, r in module.residuals(points).items()}, params)
        optimizer.step()
        optimizer.zero_grad()
    start = {name: x.clone() for name, x in module.state_dict().items()}
    found: dict[str, Any] = {"rows": sum(LARGE[1].values()), "parameters": sum(p.numel() for p in params)}
    for finisher in (LBFGS(-1), LevenbergMarquardt(-1)):
        module.load_state_dict(start)
        step, history, spent = stepper(module, points, finisher), [], 0.0
        while spent < budget:
            begun = process_time()
            loss = step().loss
            spent += process_time() - begun
            history.append([round(spent, 1), loss])
        found[type(finisher).__name__] = history
    return found


def main(args: list[str]) -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks finish_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each")
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds of each finisher on the large problem")
    parser.add_argument("--out", type=Path, default=OUT, help="results file, overwritten")
    given = parser.parse_args(args)
    torch.set_num_threads(1)
    found = {"step": cost(given.rounds), "large": race(given.budget)}
    given.out.write_text(json.dumps(found, indent=1) + "\n")
