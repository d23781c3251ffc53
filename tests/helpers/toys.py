"""Small problems that train in milliseconds, and Trainers to train them with."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.nets.bounded import Bounded
from lightning_autobalance.points import Interval, Measurements, Rectangle


class Decay(PINNModule):
    """u' = -u on [0, 1], u(0) = 1."""

    domain = Interval(0.0, 1.0)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_x = self.partials(points["interior"], "", "x")
        ends = points["boundary"]
        return {"pde": u_x + u, "boundary": self(ends) - torch.exp(-ends)}

    def exact(self, x: Tensor) -> Tensor:
        return torch.exp(-x)

    def default_net(self) -> nn.Module:
        return MLP(1, 1, [8])


class Poisson2D(PINNModule):
    """The example of the README."""

    domain = Rectangle((0, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = points["interior"]
        u_xx, u_yy = self.partials(x, "xx", "yy")
        source = 2 * torch.pi**2 * self.exact(x)
        return {"pde": u_xx + u_yy + source, "boundary": self(points["boundary"])}

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(torch.pi * x[:, :1]) * torch.sin(torch.pi * x[:, 1:])

    def default_net(self) -> nn.Module:
        return MLP(2, 1, [8, 8])


COUNTS: dict[type[PINNModule], dict[str, int]] = {
    Decay: {"interior": 16, "boundary": 2},
    Poisson2D: {"interior": 32, "boundary": 16},
}


def points(module: PINNModule, **options: Any) -> CollocationPoints:
    """The points of a toy, few and seeded."""
    counts = next(COUNTS[cls] for cls in type(module).__mro__ if cls in COUNTS)
    return CollocationPoints(counts, **{"seed": 0, "eval_points": 100, "steps_per_epoch": 5, **options})


def trainer(tmp_path: Any, **options: Any) -> Trainer:
    """A quiet Trainer on one CPU."""
    quiet = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "default_root_dir": tmp_path,
    }
    return Trainer(**{**quiet, **options})


def fit(module: PINNModule, tmp_path: Any, data: CollocationPoints | None = None, **options: Any) -> Trainer:
    """Train a toy and give back its Trainer."""
    ckpt_path = options.pop("ckpt_path", None)
    lightning_trainer = trainer(tmp_path, **options)
    lightning_trainer.fit(module, data if data is not None else points(module), ckpt_path=ckpt_path)
    return lightning_trainer


class Rate(Decay):
    """u' = -k u, k unknown and u measured; at the start it is 1."""

    true_parameters: Mapping[str, float] = {"k": 1.0}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.k = Bounded(0.5)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_x = self.partials(points["interior"], "", "x")
        return {"pde": u_x + self.k() * u, "data": self(points["data"]) - points["data_targets"]}


def measured(rows: int = 50, noise_std: float | None = 0.01, **options: Any) -> Measurements:
    """Values of exp(-x), with noise if it is known."""
    rng = np.random.default_rng(0)
    x = rng.random(rows)
    u = np.exp(-x) + (noise_std or 0.0) * rng.normal(size=rows)
    return Measurements({"x": x}, {"u": u}, noise_std=noise_std, **options)
