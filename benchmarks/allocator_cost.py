"""`python -m benchmarks allocator_cost`: a step of `fit` with freed memory kept, and without.

Processes with and without alternate, one thread each; in those without, a setting of the environment that changes
nothing tells `fit` to leave the allocator alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.loop_cost import fit

LEFT_ALONE = {"GLIBC_TUNABLES": "glibc.malloc.check=0"}


def seconds(steps: int, *, kept: bool, compile: bool) -> float:  # noqa: A002  the module's name for it
    """Seconds per Helmholtz step of `fit` in a process of its own.

    Args:
        steps: Number of timed steps, after the warm-up.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "allocator_cost",
        "--chunk",
        str(steps),
        *(["--compile"] if compile else []),
    ]
    environment = {**os.environ, **({} if kept else LEFT_ALONE)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(ended.stdout.split()[-1])


def measure(repeats: int, steps: int) -> dict[str, Any]:
    """Median and range of the ratio of a step with freed memory kept to one without, uncompiled and compiled.

    Args:
        repeats: Number of pairs of processes.
        steps: Timed steps of each.
    """
    found: dict[str, Any] = {"repeats": repeats, "steps": steps, "torch": torch.__version__}
    for name, compiled in {"uncompiled": False, "compiled": True}.items():
        pairs = [
            tuple(seconds(steps, kept=kept, compile=compiled) for kept in ((True, False), (False, True))[turn % 2])
            for turn in range(repeats)
        ]
        ratios = sorted(a / b if turn % 2 == 0 else b / a for turn, (a, b) in enumerate(pairs))
        found[name] = {
            "ratio": round(statistics.median(ratios), 3),
            "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        }
    return found


def main(args: list[str]) -> None:
    """Measure, print and write; with ``--chunk`` one process's part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks allocator_cost", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/speed/allocator.json"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--chunk", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(args)
    torch.set_num_threads(1)
    if arguments.chunk:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"compile": True} if arguments.compile else {}
            sys.stdout.write(f"{fit(arguments.chunk, folder, **options)}\n")
        return
    found = measure(arguments.repeats, arguments.steps)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    Console().print(found)
