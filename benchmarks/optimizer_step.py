"""`python -m benchmarks optimizer_step`: what a step of AutoAdamW costs beside torch's AdamW.

The comparison is with torch's fastest AdamW on a parameter set m times as large: as many moments, as much arithmetic.
All run in turns on one thread, whose processor time is counted, so that a busy machine slows them all alike. The second
table is the cost of the gradients.
"""

import argparse
import json
import platform
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from time import thread_time
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from lightning_autobalance.jacobian import graphs_are_shared, term_gradients
from lightning_autobalance.optim import AutoAdamW

OUT = Path("results/speed/optimizer_step.json")
NETS = {"3x50": (50, 3), "4x256": (256, 4)}  # width, hidden layers
KERNELS: dict[str, dict[str, Any]] = {
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
SLOT = 0.02  # seconds of one turn: the first call of a turn, which finds the caches full of others, should not count


def network(width: int, layers: int) -> nn.Sequential:
    """A tanh network from 2 coordinates to 1 field.

    Args:
        width: Units of each hidden layer.
        layers: Number of hidden layers.
    """
    sizes = [2, *[width] * layers, 1]
    modules = [m for i, o in pairwise(sizes) for m in (nn.Linear(i, o), nn.Tanh())]
    return nn.Sequential(*modules[:-1])


def in_turns(tasks: Mapping[str, Callable[[], Any]], rounds: int) -> list[dict[str, float]]:
    """Time every task once per round.

    Args:
        tasks: Functions to time, by name.
        rounds: Number of turns of each task.

    Returns:
        For each round, the microseconds of one call by name.
    """
    calls = {name: max(1, round(SLOT / _seconds(task, 5))) for name, task in tasks.items()}
    return [{name: 1e6 * _seconds(task, calls[name]) for name, task in tasks.items()} for _ in range(rounds)]


def step_cost(net: str, terms: int, weight_decay: float, rounds: int) -> dict[str, Any]:
    """Compare one step of AutoAdamW with one of torch's AdamW on copies of the network.

    Args:
        net: Key of ``NETS``.
        terms: Number of loss terms, and of copies of the network.
        weight_decay: Weight decay of both optimizers.
        rounds: Number of turns of each contender.

    Returns:
        Microseconds and their ratio: median and quartiles over the rounds.
    """
    params = list(network(*NETS[net]).parameters())
    for p in params:
        p.jac = torch.randn(terms, *p.shape)  # type: ignore[attr-defined]
    tasks: dict[str, Callable[[], Any]] = {"auto_adamw": AutoAdamW(params, weight_decay=weight_decay).step}
    for name, kernel in KERNELS.items():
        copies = [torch.randn_like(p) for p in params for _ in range(terms)]
        for copy in copies:
            copy.grad = torch.randn_like(copy)
        tasks[name] = torch.optim.AdamW(copies, weight_decay=weight_decay, **kernel).step
    times = in_turns(tasks, rounds)
    fastest = min(KERNELS, key=lambda name: median(time[name] for time in times))
    return {
        "net": net,
        "terms": terms,
        "weight_decay": weight_decay,
        "ratio": _spread([time["auto_adamw"] / time[fastest] for time in times]),
        "fastest": fastest,
        **{f"{name}_us": _spread([time[name] for time in times]) for name in tasks},
    }


def gradient_cost(rounds: int) -> dict[str, Any]:
    """Compare the terms' gradients with one backward pass of their sum: 2-D Laplacian, 2,000 points, 3x50.

    Args:
        rounds: Number of turns of each contender.

    Returns:
        Microseconds: median and quartiles over the rounds.
    """
    net = network(*NETS["3x50"])
    params = list(net.parameters())
    losses = _losses(net)

    def of_the_sum() -> None:
        total = torch.stack(list(_losses(net).values())).sum()
        torch.autograd.grad(total, params, allow_unused=True)

    tasks: dict[str, Callable[[], Any]] = {
        "forward": lambda: _losses(net),
        "forward_and_gradient_of_the_sum": of_the_sum,
        "forward_and_term_gradients": lambda: term_gradients(_losses(net), params, shared=False),
        "graph_walk": lambda: graphs_are_shared(losses),
    }
    times = in_turns(tasks, rounds)
    return {f"{name}_us": _spread([time[name] for time in times]) for name in tasks}


def main(args: list[str]) -> None:
    """Measure, print, and write the results file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks optimizer_step", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="result file")
    parser.add_argument("--rounds", type=int, default=50, help="turns of each contender")
    options = parser.parse_args(args)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cases = [(net, terms, decay) for net in NETS for terms in (2, 3) for decay in (0.0, 0.01)]
    result = {
        "machine": {"torch": torch.__version__, "python": platform.python_version(), "cpu": cpu_name(), "threads": 1},
        "rounds": options.rounds,
        "optimizer_step": [step_cost(*case, rounds=options.rounds) for case in cases],
        "term_gradients": gradient_cost(options.rounds),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    _print(result)


def _losses(net: nn.Module) -> dict[str, Tensor]:
    x = torch.rand(2000, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    seconds = [torch.autograd.grad(gradient[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2)]
    return {"pde": (seconds[0] + seconds[1] + 1).square().mean(), "boundary": net(torch.rand(400, 2)).square().mean()}


def _seconds(task: Callable[[], Any], calls: int) -> float:
    start = thread_time()
    for _ in range(calls):
        task()
    return (thread_time() - start) / calls


def _spread(values: list[float]) -> dict[str, float]:
    lower, middle, upper = (round(value, 3) for value in quantiles(values, n=4))
    return {"median": middle, "lower": lower, "upper": upper}


def cpu_name() -> str:
    """The model name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def _print(result: dict[str, Any]) -> None:
    steps = Table("net", "terms", "decay", "AutoAdamW", "torch", "ratio", "lower", "upper", title="One step, us")
    for row in result["optimizer_step"]:
        ours, torchs, ratio = row["auto_adamw_us"], row[f"{row['fastest']}_us"], row["ratio"]
        torchs_name = f"{torchs['median']:.0f} ({row['fastest']})"
        steps.add_row(
            *(row["net"], str(row["terms"]), str(row["weight_decay"]), f"{ours['median']:.0f}", torchs_name),
            *(f"{ratio[name]:.2f}" for name in ("median", "lower", "upper")),
        )
    gradients = Table("what", "median", "lower", "upper", title="Gradients, us")
    for name, spread in result["term_gradients"].items():
        gradients.add_row(name.removesuffix("_us"), *(f"{value:.0f}" for value in spread.values()))
    console = Console()
    console.print(steps, gradients)
