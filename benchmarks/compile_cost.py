"""`python -m benchmarks compile_cost`: what compiling a step costs, and after how many steps it is earned back.

Every case is compiled in a process of its own, once without anything that an earlier run has compiled and once with it,
and trained beside the same without `compile`, in turns. CPU time of one thread, the C++ compiler's included.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from rich.console import Console

from benchmarks.optimizer_step import cpu_name
from benchmarks.peers.case import Case
from benchmarks.peers.ours import Ticks, train

CASES: dict[str, Case] = {
    "helmholtz_2d": Case("helmholtz_2d"),
    "poisson_inverse_2d": Case("poisson_inverse_2d"),
    "terms 8": Case("helmholtz_2d", parts=4),
    "width 400": Case("helmholtz_2d", width=400),
    "points 10000": Case("helmholtz_2d", {"interior": 10_000, "boundary": 2_000}),
    "width 200": Case("helmholtz_2d", width=200),
}
OUT = Path("results/speed/compile.json")
SETTLE = 3  # steps that are neither compiled nor timed


def cpu_seconds() -> float:
    """CPU time of this process and of the compilers that it has started and that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def run(name: str, steps: int, *, compile: bool) -> dict[str, float]:  # noqa: A002  the module's name for it
    """Seconds until the first step is done, and milliseconds of each of the later ones, in this process.

    Args:
        name: Key of `CASES`.
        steps: Number of timed steps.
    """
    case, times = CASES[name], []
    module = case.module(compile=compile)
    watch: Callback = Ticks(lambda: times.append(cpu_seconds()))
    start = cpu_seconds()
    train(module, case, 1 + SETTLE + steps, watch)
    compiled = module.gradient_stage.compiled
    if compiled is not None and compiled.reason:
        raise RuntimeError(f"`compile` must work for {name}, got: {compiled.reason}")
    return {"first": times[0] - start, "ms": 1e3 * statistics.median(b - a for a, b in pairwise(times[SETTLE:]))}


def in_process(name: str, steps: int, cache: str, *, compile: bool) -> dict[str, float]:  # noqa: A002
    """`run` in a process of its own.

    Args:
        cache: Folder of what torch has compiled.
    """
    command = [sys.executable, "-m", "benchmarks", "compile_cost", "--case", name, "--steps", str(steps)]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command += ["--compile"] if compile else []
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def measure(name: str, rounds: int, steps: int) -> dict[str, float]:
    """Seconds of compiling, milliseconds of a step with and without it, and the steps that earn it back.

    Args:
        name: Key of `CASES`.
        rounds: Number of pairs of processes.
        steps: Timed steps of each.
    """
    with tempfile.TemporaryDirectory() as cache:
        pairs = [[in_process(name, steps, cache, compile=c) for c in (True, False)] for _ in range(rounds)]
    cold, *warm = [compiled["first"] - plain["first"] for compiled, plain in pairs]
    eager, ms = (statistics.median(pair[which]["ms"] for pair in pairs) for which in (1, 0))
    saved = eager - ms
    return {
        "cold_s": round(cold, 1),
        "warm_s": round(statistics.median(warm), 1),
        "eager_ms": round(eager, 2),
        "compiled_ms": round(ms, 2),
        "ratio": round(statistics.median(pair[0]["ms"] / pair[1]["ms"] for pair in pairs), 3),
        "steps": round(1e3 * cold / saved) if saved > 0 else -1,
        "steps_warm": round(1e3 * statistics.median(warm) / saved) if saved > 0 else -1,
    }


def main(args: list[str]) -> None:
    """Measure, print and write; with ``--case`` one process's part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compile_cost", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="others keep their numbers")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(args)
    if arguments.case:
        torch.set_num_threads(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: dict[str, Any] = run(arguments.case, arguments.steps, compile=arguments.compile)
        sys.stdout.write(f"{json.dumps(found)}\n")
        return
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.cases:
        found |= {"cpu": cpu_name(), "torch": torch.__version__}
        found.setdefault("cases", {})[name] = measure(name, arguments.rounds, arguments.steps)
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")
        Console().print(name, found["cases"][name])
