"""`python -m benchmarks hessian`: Hessian spectra for the paper's figure 1, on a small network.

Two runs on Helmholtz, with AutoAdamW and with AdamW, from the same start; all eigenvalues are exact.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer, seed_everything
from rich.console import Console

from benchmarks.reproduction.conditioning import FILE
from lightning_autobalance.callbacks import HessianSpectrum
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.problems import Helmholtz2D

HIDDEN = [20, 20, 20]
POINTS = {"interior": 1000, "boundary": 200}
LR = 3e-3
LOOKS = [0, 300, 1000, 2000, 3000]
OPTIMIZERS: dict[str, Any] = {
    "auto_adamw": lambda params: AutoAdamW(params, lr=LR, weight_decay=0.0),
    "adamw": lambda params: torch.optim.AdamW(params, lr=LR, weight_decay=0.0),
}


def trained(method: str, looks: list[int], seed: int = 0) -> dict[str, Any]:
    """Train and compute spectra: condition numbers at every look, eigenvalues at the first and the last.

    Args:
        method: Key of `OPTIMIZERS`.
        looks: Optimizer steps at which the spectra are computed; training ends at the last one.
        seed: Seed of weights and points.
    """
    seed_everything(seed, verbose=False)
    watch = HessianSpectrum(steps=looks, double=True)
    module = Helmholtz2D(net=MLP(2, 1, HIDDEN), optimizer=OPTIMIZERS[method])
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            max_steps=looks[-1],
            accelerator="cpu",
            devices=1,
            logger=False,
            callbacks=[watch],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            default_root_dir=folder,
        )
        trainer.fit(module, CollocationPoints(POINTS, seed=seed))
        spectra = {step: eigenvalues(next(Path(folder).rglob(f"spectrum_step{step}.npz"))) for step in looks}
    return {
        "condition": {step: _conditions(watch.history[step]) for step in looks},
        "eigenvalues": {step: spectra[step] for step in (looks[0], looks[-1])},
    }


def eigenvalues(path: Path) -> dict[str, list[float]]:
    """Eigenvalues by kind and term, largest first, four digits, from a file of `HessianSpectrum`."""
    with np.load(path) as saved:
        names = [name.removesuffix("/eigenvalues") for name in saved if name.endswith("/eigenvalues")]
        return {
            name: [float(f"{value:.4g}") for value in sorted(saved[f"{name}/eigenvalues"], reverse=True)]
            for name in names
        }


def _conditions(numbers: dict[str, float]) -> dict[str, float]:
    keys = [key for key in numbers if key.endswith("/condition")]
    return {key.removeprefix("hessian/").removesuffix("/condition"): float(f"{numbers[key]:.4g}") for key in keys}


def main(args: list[str]) -> None:
    """Train with both optimizers and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks hessian", description=__doc__)
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--looks", type=int, nargs="+", default=LOOKS)
    arguments = parser.parse_args(args)
    torch.set_num_threads(1)
    found: dict[str, Any] = {"hidden": HIDDEN, "points": POINTS, "lr": LR, "torch": torch.__version__}
    for method in OPTIMIZERS:
        found[method] = trained(method, arguments.looks)
        Console().print(method, found[method]["condition"])
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found) + "\n")
