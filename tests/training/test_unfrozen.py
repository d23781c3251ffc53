"""What is frozen when the optimizer is made does not silently stay as it is."""

from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Adam

from helpers.toys import Decay, fit
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.optim.finish import Finisher, LevenbergMarquardt


class Unfreezes(Callback):
    """After the second step, by hand; with or without the optimizer."""

    def __init__(self, tells: bool = False) -> None:
        self.tells = tells

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == 2:
            first = next(pl_module.parameters()).requires_grad_()
            if self.tells:
                trainer.optimizers[0].add_param_group({"params": [first]})


def frozen(finish: Finisher | None = None, optimizer: Any = AutoAdamW) -> PINNModule:
    module = Decay(finish=finish, optimizer=optimizer)
    next(module.parameters()).requires_grad_(False)
    return module


@pytest.mark.parametrize("finish", [None, LevenbergMarquardt(3)], ids=["optimizer", "finish"])
def test_it_is_refused_by_name(finish: Finisher | None, tmp_path: Path) -> None:
    with pytest.raises(
        MisconfigurationException, match=r"of net\.0\.weight must not change to True .* at step 2: it was"
    ):
        fit(frozen(finish), tmp_path, max_steps=5, callbacks=[Unfreezes()])


@pytest.mark.parametrize("optimizer", [AutoAdamW, Adam])
def test_the_optimizer_may_get_it(optimizer: Any, tmp_path: Path) -> None:
    module = frozen(optimizer=optimizer)
    before = next(module.parameters()).detach().clone()
    fit(module, tmp_path, max_steps=5, callbacks=[Unfreezes(tells=True)])
    assert not before.equal(next(module.parameters()))


def test_it_may_stay_frozen(tmp_path: Path) -> None:
    assert fit(frozen(), tmp_path, max_steps=3).global_step == 3
