"""Runs that one process and several must agree on, and the start of several processes that run them all."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from helpers.conditions import Plate, Pointwise, Ring, SoftRing
from helpers.runs import server
from helpers.toys import fit
from helpers.waves import MAKE, Wave
from lightning_autobalance.balancing import DWA, NTK, ConFIG, MConFIG, PCGrad
from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.cli import main
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.nets.bounded import Bounded
from lightning_autobalance.optim import AutoAdamW, AutoBalance, AutoSOAP
from lightning_autobalance.optim.finish import LBFGS, LevenbergMarquardt, SelfScaledBroyden
from lightning_autobalance.points import MeasuredParts, Measurements

PLACES = torch.rand(33, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
KNOWN = (PLACES, PLACES.square().sum(dim=1))  # an odd number of points
FIRST, LATE = 0.07, 0.98  # with the points below, x of one initial point is smaller, t of two interior points larger
COUNTS = {"interior": 25, "boundary": 7, "initial": 5}  # no two processes have the same numbers of all


class OwnLosses(Wave):
    """Gives scalars, for which processes count alike."""

    counts: Mapping[str, int] = {"interior": 6, "boundary": 6, "initial": 6}

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            "edge": self(points["boundary"]).square().mean(),
            "start": (self(points["initial"]) - 1).square().mean(),
        }


class PartOfPoints(Wave):
    """A term of the points that are beyond a limit, and one of a single point, of which most processes have none."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        start, x = points["initial"], points["interior"]
        return found | {"first": self(start[start[:, 0] < FIRST]), "late": self(x[x[:, 1] > LATE])}


class MeasuredWave(Wave):
    """Its solution is measured in batches, of which processes have shares of different sizes."""

    measurements: Measurements

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.speed = Bounded(0.5)
        rng = np.random.default_rng(0)
        x = np.stack([rng.uniform(low, high, 23) for low, high in self.domain.bounds], axis=1)
        u = np.sin(x.sum(axis=1, keepdims=True)).repeat(len(self.fields), axis=1)
        self.measurements = Measurements(x, u, batch=7)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        misfit = self(points["data"]) - self.speed() * points["data_targets"]
        return super().residuals(points) | {"data": misfit}


adamw = partial(torch.optim.AdamW, lr=1e-3)
RUNS: dict[str, Callable[[], Any]] = {
    "auto_adamw": lambda: Wave(optimizer=AutoAdamW),
    "auto_rmsprop": lambda: Wave(optimizer=partial(AutoBalance, optimizer=torch.optim.RMSprop)),
    "clipped": lambda: Wave(optimizer=AutoAdamW, gradient_clip_val=0.1),
    "config": lambda: Wave(optimizer=adamw, balancer=ConFIG()),
    "m_config": lambda: Wave(optimizer=adamw, balancer=MConFIG()),
    "pc_grad": lambda: Wave(optimizer=adamw, balancer=PCGrad()),
    "ntk": lambda: Wave(optimizer=adamw, balancer=NTK(interval=50)),
    "dwa": lambda: Wave(optimizer=adamw, balancer=DWA()),
    "part_of_points": lambda: PartOfPoints(optimizer=AutoAdamW),
    "own_losses": lambda: OwnLosses(optimizer=AutoAdamW),
    "reference": lambda: Wave(optimizer=AutoAdamW, reference=KNOWN),
    "auto_soap": lambda: Wave(optimizer=AutoSOAP),
    "levenberg_marquardt": lambda: PartOfPoints(finish=LevenbergMarquardt(5)),
    "self_scaled_broyden": lambda: Wave(finish=SelfScaledBroyden(5)),
    "lbfgs": lambda: Wave(finish=LBFGS(2, iterations=3)),
    "ring": lambda: Ring(optimizer=AutoAdamW),
    "soft_ring": lambda: SoftRing(optimizer=AutoAdamW),
    "plate": lambda: Plate(optimizer=AutoAdamW),
    "measured": lambda: MeasuredWave(optimizer=AutoAdamW),
    "measured_finish": lambda: MeasuredWave(finish=LevenbergMarquardt(5)),
    "plate_finish": lambda: Pointwise(finish=LevenbergMarquardt(5)),
    **{name: partial(lambda make: Wave(optimizer=AutoAdamW, variant=make()), make) for name, make in MAKE.items()},
}
REDRAWN = {"redrawn": RUNS["auto_adamw"], "soft_ring_redrawn": RUNS["soft_ring"], "plate_redrawn": RUNS["plate"]}


def run(name: str, folder: Path, steps: int, **options: Any) -> tuple[Trainer, Any]:
    """Train one of them in float64, or in float32 where its name ends with "@32"."""
    name, _, bits = name.partition("@")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32 if bits else torch.float64)
    try:
        module = {**RUNS, **REDRAWN}[name]()
    finally:
        torch.set_default_dtype(torch.float32)
    module.check_exact = False
    counts = getattr(module, "counts", COUNTS)
    resample = 10 if name in REDRAWN else 0
    data = CollocationPoints(counts, seed=0, eval_points=100, steps_per_epoch=50, resample_every=resample)
    data.measurements = MeasuredParts(getattr(module, "measurements", None))
    more = {"precision": "32-true" if bits else "64-true", "callbacks": [BalanceMonitor()], **options}
    return fit(module, folder, data, max_steps=steps, **more), module


def launch(processes: int, out: Path, names: Sequence[str], steps: int, resumed: Sequence[str] = ()) -> None:
    """Start processes with the environment that torchrun gives them, and wait for them.

    Args:
        processes: How many.
        out: Where ``{name}.pt`` and ``{name}.ckpt`` are left for each run.
        names: Of the runs.
        steps: Of each run.
        resumed: Runs that go on from ``alone/{name}.ckpt``; they leave their files in ``resumed``.

    Raises:
        RuntimeError: If one fails; with what it wrote.
    """
    (out / "resumed").mkdir()
    runs = [(name, out, None) for name in names]
    runs += [(name, out / "resumed", out / "alone" / f"{name}.ckpt") for name in resumed]
    with ExitStack() as stack:
        running = []
        for rank, environment in enumerate(environments(processes)):
            running.append(server().Process(target=one_of_several, args=(environment, out / f"log{rank}", runs, steps)))
            running[-1].start()
            stack.callback(running[-1].join)
            stack.callback(running[-1].kill)  # before it is waited for: where one has failed, others wait for it
        while any(process.is_alive() for process in running) and not any(process.exitcode for process in running):
            time.sleep(0.1)
        failed = [rank for rank, process in enumerate(running) if process.exitcode]
    if failed:
        raise RuntimeError((out / f"log{failed[0]}").read_text()[-4000:])


def environments(processes: int) -> list[dict[str, str]]:
    """What torchrun gives each process."""
    port = 29500 + os.getpid() % 2000 + processes
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    told = [
        {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        for rank in range(processes)
    ]
    return [address | {name: str(number) for name, number in one.items()} for one in told]


def become(environment: Mapping[str, str], log: Path) -> None:
    """Make this process one of several that writes to a file, also what C++ writes."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    torch.set_num_threads(1)


def command_of_several(environment: Mapping[str, str], log: Path, line: list[str]) -> None:
    """Run the command as one of several processes, with the exit status that it has there."""
    become(environment, log)
    sys.argv = ["lightning-autobalance", *line]
    main()


def one_of_several(
    environment: Mapping[str, str], log: Path, runs: Sequence[tuple[str, Path, Path | None]], steps: int
) -> None:
    """Run each, write what the first process ends with, and whether the others end with the same."""
    become(environment, log)
    several = {"strategy": "ddp", "devices": int(environment["WORLD_SIZE"]), "accelerator": "cpu"}
    for name, out, path in runs:
        trainer, module = run(name, out, steps, ckpt_path=path, **several)
        found = torch.cat([p.detach().flatten() for p in module.parameters()])
        everywhere = [torch.empty_like(found) for _ in range(trainer.world_size)]
        torch.distributed.all_gather(everywhere, found)
        trainer.save_checkpoint(out / f"{name}.ckpt")
        if trainer.is_global_zero:
            result = {
                "everywhere": everywhere,
                "latest": module.latest,
                "metrics": {key: float(value) for key, value in trainer.callback_metrics.items()},
                "steps": trainer.global_step,
                "derivatives": module.derivative_mode,
            }
            torch.save(result, out / f"{name}.pt")
