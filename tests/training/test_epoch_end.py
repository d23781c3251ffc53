"""EarlyStopping in a resumed run sees what it sees in the uninterrupted one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from helpers.signals import Terminate
from helpers.toys import Decay, fit, points
from lightning_autobalance.training.epoch_end import KEY

EPOCH = 4
NEVER = {"patience": 3, "min_delta": 10.0}  # no improvement is enough: it ends after the fourth validation


def train(folder: Path, *callbacks: Callback, stopping: Any = NEVER, save: Any = None, **options: Any) -> Any:
    """The steps done, the checks without improvement, the best value, and whether it still checks."""
    torch.manual_seed(0)
    module = Decay()
    monitor = {"monitor": "val/rel_l2", **stopping}
    check = EarlyStopping(**monitor)
    last = ModelCheckpoint(folder, save_last=True, **(save or {}))
    options = {"max_steps": 24, "num_sanity_val_steps": 0, "callbacks": [check, last, *callbacks], **options}
    trainer = fit(module, folder, points(module, steps_per_epoch=EPOCH), enable_checkpointing=True, **options)
    return trainer.global_step, check.wait_count, float(check.best_score), check._check_on_train_epoch_end


SAVED = {
    "after-the-end": {"save_on_train_epoch_end": True},
    "before-the-end": {"save_on_train_epoch_end": False},
    "best": {"monitor": "val/rel_l2", "save_on_train_epoch_end": True},
}


@pytest.mark.parametrize("save", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("stopping", [NEVER, {"patience": 2}, {"monitor": "loss/pde", "patience": 50}], ids=str)
def test_resume_at_the_end_of_an_epoch(stopping: Any, save: Any, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", stopping=stopping, save=save)
    train(tmp_path / "part", stopping=stopping, save=save, max_steps=2 * EPOCH)
    last = tmp_path / "part" / "last.ckpt"
    assert train(tmp_path / "part", stopping=stopping, save=save, ckpt_path=last) == whole


@pytest.mark.parametrize("step", [EPOCH, 2 * EPOCH - 1, 2 * EPOCH])
def test_resume_after_sigterm(step: int, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(SIGTERMException):
        train(tmp_path / "part", Terminate(step))
    assert train(tmp_path / "part", ckpt_path=tmp_path / "part" / "last.ckpt") == whole
    assert whole[:2] == (4 * EPOCH, 3)


def test_a_run_that_was_ended_stays_ended(tmp_path: Path) -> None:
    assert train(tmp_path)[0] == 4 * EPOCH
    assert train(tmp_path, ckpt_path=tmp_path / "last.ckpt")[0] == 4 * EPOCH


def test_a_checkpoint_without_the_metrics_still_loads(tmp_path: Path) -> None:
    train(tmp_path, max_steps=6)
    found = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert found[KEY]["metrics"].keys() >= {"val/rel_l2", "loss/pde"}
    del found[KEY]
    torch.save(found, tmp_path / "older.ckpt")
    assert train(tmp_path, ckpt_path=tmp_path / "older.ckpt", stopping={"patience": 50})[0] == 24
