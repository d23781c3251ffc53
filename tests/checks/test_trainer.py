"""Trainer settings that manual optimization cannot honour."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy

from helpers.checks import refuses
from helpers.toys import Decay, trainer
from lightning_autobalance.checks import check_trainer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_clip_val": 1.0}, r"`gradient_clip_val` must not be given to the Trainer, got 1.0"),
        ({"accumulate_grad_batches": 2}, r"`accumulate_grad_batches` must be 1, got 2"),
        ({"precision": "bf16-true"}, r"`precision` must be 32-true, 64-true or bf16-mixed, got bf16-true"),
        ({"precision": "16-true"}, r"`precision` must be 32-true, 64-true or bf16-mixed, got 16-true"),
    ],
)
def test_settings_that_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        check_trainer(trainer(tmp_path, **options))


def test_training_refuses_them_before_the_first_step(tmp_path: Path) -> None:
    message = "`gradient_clip_val` must not be given to the Trainer, got 1.0"
    refuses(Decay(), tmp_path, message, gradient_clip_val=1.0)


@pytest.mark.parametrize("options", [{}, {"precision": "64-true"}, {"gradient_clip_val": 0.0}])
def test_settings_that_are_accepted(options: dict[str, Any], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_trainer(trainer(tmp_path, **options))


def test_bfloat16_warns(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="precision bf16-mixed rounds the network's layers to 3 digits"):
        check_trainer(trainer(tmp_path, precision="bf16-mixed"))


@pytest.mark.parametrize("kind", [FSDPStrategy, ModelParallelStrategy, DeepSpeedStrategy])
def test_strategies_that_spread_parameters(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = trainer(tmp_path)
    monkeypatch.setattr(Trainer, "strategy", property(lambda _: object.__new__(kind)))  # they need what is not here
    message = rf"`strategy` must be a single device or ddp, got {kind.__name__}.*`--trainer.strategy ddp`"
    with pytest.raises(MisconfigurationException, match=message):
        check_trainer(checked)


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn", "ddp_find_unused_parameters_true"])
def test_several_processes(strategy: str, tmp_path: Path) -> None:
    check_trainer(trainer(tmp_path, strategy=strategy, devices=2))


def test_float16_loss_scaling(tmp_path: Path) -> None:
    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    with pytest.raises(MisconfigurationException, match=r"`precision` must be .*, got 16-mixed: its loss scaling"):
        check_trainer(trainer(tmp_path, plugins=[plugin]))
