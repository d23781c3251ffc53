"""A run that draws random numbers of its own resumes as if it had not been stopped, to the last bit."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, nn

from helpers.runs import assert_equal, assert_same_state
from helpers.signals import Terminate
from helpers.toys import Decay, fit, points, trainer
from lightning_autobalance.training import random_state
from lightning_autobalance.utils import generators


class Dropout(Decay):
    def default_net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))


class Noise(Decay):
    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {term: r + 0.1 * torch.randn(r.shape) for term, r in super().residuals(points).items()}


class Minibatch(Decay):
    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        some = torch.randperm(len(points["interior"]))[:4]
        return super().residuals({**points, "interior": points["interior"][some]})


class Foreign(Decay):
    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        shift = 0.1 * float(np.random.randn())  # a second number is kept for later
        return {term: r + shift for term, r in super().residuals(points).items()}


def train(folder: Path, kind: type[Decay], *callbacks: Callback, **options: Any) -> Any:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    module = kind(check_exact=False, derivatives="reverse")
    last = ModelCheckpoint(folder, save_last=True)
    options = {"max_steps": 11, "num_sanity_val_steps": 0, "callbacks": [last, *callbacks], **options}
    fit(module, folder, points(module, steps_per_epoch=4), enable_checkpointing=True, **options)
    return torch.load(folder / "last.ckpt", weights_only=True)


@pytest.mark.parametrize("step", [5, 8])  # in mid-epoch, and where it ends
@pytest.mark.parametrize("kind", [Dropout, Noise, Minibatch, Foreign])
def test_resume_is_exact(kind: type[Decay], step: int, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", kind)
    with pytest.raises(SIGTERMException):
        train(tmp_path / "part", kind, Terminate(step))
    resumed = train(tmp_path / "part", kind, ckpt_path=tmp_path / "part" / "last.ckpt")
    assert_same_state(whole, resumed)
    found = [checkpoint["callbacks"]["RandomState"]["ranks"][0] for checkpoint in (whole, resumed)]
    assert_equal(*({name: state[name] for name in ("torch", "numpy", "cuda")} for state in found))


def test_a_checkpoint_without_the_state_still_loads(tmp_path: Path) -> None:
    found = train(tmp_path, Noise, max_steps=4)
    del found["callbacks"]["RandomState"]
    torch.save(found, tmp_path / "older.ckpt")
    assert train(tmp_path, Noise, ckpt_path=tmp_path / "older.ckpt")["global_step"] == 11


def test_a_process_that_the_checkpoint_does_not_know_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    callback, before = random_state.RandomState(), torch.get_rng_state()
    callback.load_state_dict({"ranks": [generators.random_state()]})
    torch.rand(1)
    monkeypatch.setattr(random_state, "rank", lambda: 1)
    callback.on_train_start(trainer(tmp_path), Noise())
    assert not torch.equal(torch.get_rng_state(), before)
