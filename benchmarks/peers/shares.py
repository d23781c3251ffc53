"""Where the time of our step goes, by torch's profiler."""

from collections import Counter
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.peers.case import Case
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdamW

ELEMENTWISE = ("add", "add_", "addcmul", "mul", "mul_", "neg", "pow", "rsub", "sub", "tanh", "tanh_backward")
KINDS = {  # by the name of an operation or of one that it is part of, the innermost first
    "aten::mm": "matrix products",
    "aten::addmm": "matrix products",
    "aten::bmm": "matrix products",
    **{f"aten::{name}": "elementwise operations" for name in ELEMENTWISE},
    "losses": "rest of the forward pass",
    "optimizer": "optimizer",
    "step": "rest of the backward pass",
}


def shares(case: Case, steps: int) -> dict[str, float]:
    """Shares of the step of the plain loop, by kind of operation.

    Args:
        steps: Number of profiled steps.
    """
    module = case.module(derivatives="taylor")
    optimizer = AutoAdamW(module.parameters())

    def step() -> None:
        optimizer.zero_grad()
        with record_function("losses"):
            losses = module.losses(case.data)
        backward(losses, module.parameters(), shared=False)
        with record_function("optimizer"):
            optimizer.step()

    for _ in range(3):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            with record_function("step"):
                step()
    return of_events(profiler.events())


def of_events(events: Any) -> dict[str, float]:
    """Shares by kind, largest first.

    Args:
        events: Events of a profiler; those outside of ``step`` are ignored.
    """
    times: Counter[str] = Counter()
    for event in events:
        if (kind := _kind(event)) is not None:
            times[kind] += event.self_cpu_time_total
    return {kind: round(time / sum(times.values()), 3) for kind, time in times.most_common()}


def _kind(event: Any) -> str | None:
    names = []
    while event is not None:
        names.append(event.name)
        event = event.cpu_parent
    if "optimizer" in names:  # with the elementwise operations in it
        return KINDS["optimizer"]
    return next((KINDS[name] for name in names if name in KINDS), None) if "step" in names else None


def measure(steps: int) -> dict[str, float]:
    """Shares of the step on Helmholtz, on one thread.

    Args:
        steps: Number of profiled steps.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return shares(Case("helmholtz_2d"), steps)
    finally:
        torch.set_num_threads(threads)
