"""Compiled seeds are compiled single runs."""

from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.seed import seed_everything
from lightning.pytorch import Trainer

from helpers.toys import Poisson2D, points, trainer
from lightning_autobalance import SeedEnsemble
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.nets import MLP
from lightning_autobalance.step import compiled


def test_equal_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "OPTIONS", {"cpu": {"backend": "aot_eager"}})

    def make(seed: int) -> tuple[Trainer, Poisson2D, CollocationPoints]:
        module = Poisson2D(net=MLP(2, 1, [4]), compile=True)
        return trainer(tmp_path, max_steps=6), module, points(module, seed=None)

    ensemble = SeedEnsemble.of(make, (0, 1))
    ensemble.fit()
    for run in ensemble.runs:
        assert run.module.gradient_stage.compiled is not None
        assert run.module.gradient_stage.compiled.reason == ""
    seed_everything(1, workers=True, verbose=False)
    single, module, data = make(1)
    single.fit(module, data)
    for ours, its in zip(ensemble.runs[1].module.parameters(), module.parameters(), strict=True):
        assert torch.equal(ours, its)
