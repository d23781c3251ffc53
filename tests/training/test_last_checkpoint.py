"""`last.ckpt` is kept whatever checkpoints a user adds."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint, OnExceptionCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from helpers.toys import Decay, fit, points
from lightning_autobalance.cli import main
from lightning_autobalance.training.last_checkpoint import LastCheckpoint, missing_checkpoint


def saved(folder: Path) -> dict[str, int]:
    return {path.name: torch.load(path, weights_only=True)["global_step"] for path in folder.glob("*.ckpt")}


def train(folder: Path, *callbacks: Callback, **options: Any) -> None:
    torch.manual_seed(0)
    module = Decay()
    fit(
        module,
        folder,
        points(module, steps_per_epoch=4),
        enable_checkpointing=True,
        callbacks=list(callbacks),
        **{"max_steps": 10, **options},
    )


def test_one_is_added_only_where_none_keeps_the_last_state(tmp_path: Path) -> None:
    kinds = {
        type(missing_checkpoint([])): ModelCheckpoint,
        type(missing_checkpoint([ModelCheckpoint()])): LastCheckpoint,
        type(missing_checkpoint([ModelCheckpoint(), ModelCheckpoint(monitor="val/mse")])): LastCheckpoint,
        type(missing_checkpoint([OnExceptionCheckpoint(tmp_path)])): LastCheckpoint,
    }
    assert all(found is expected for found, expected in kinds.items())
    assert missing_checkpoint([ModelCheckpoint(save_last=True)]) is None
    assert missing_checkpoint([ModelCheckpoint(monitor="val/mse"), ModelCheckpoint(save_last="link")]) is None


@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.parametrize(
    "own",
    [
        {},  # the settings of the one that is added
        {"monitor": "val/rel_l2", "filename": "best", "save_top_k": 1},
        {"every_n_train_steps": 3},
        {"save_top_k": 0},
    ],
    ids=str,
)
def test_the_last_state_is_that_of_every_validation_and_of_the_end(own: dict[str, Any], tmp_path: Path) -> None:
    seen: list[int] = []

    class Look(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            seen.append(saved(tmp_path / "checkpoints").get("last.ckpt", 0))

    train(tmp_path, ModelCheckpoint(**own), LastCheckpoint(), Look())
    assert seen == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]
    found = saved(tmp_path / "checkpoints")
    assert found["last.ckpt"] == 10
    assert [name for name in found if name.startswith("last")] == ["last.ckpt"]


def test_beside_one_of_the_same_name_both_are_kept(tmp_path: Path) -> None:
    mine = ModelCheckpoint(filename="last", monitor="val/rel_l2", mode="max")  # the first is the largest
    train(tmp_path, mine, LastCheckpoint())
    assert saved(tmp_path / "checkpoints") == {"last.ckpt": 4, "last-v1.ckpt": 10}


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("kept", ["monitor: val/rel_l2", "every_n_epochs: 3", "dirpath: mine"])
def test_the_command_loses_no_step_beside_a_checkpoint_of_ones_own(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    callbacks = [
        f"{{class_path: ModelCheckpoint, init_args: {{{kept}}}}}",
        "{class_path: helpers.signals.Terminate, init_args: {step: 6}}",
        "BalanceMonitor",
    ]
    line = [
        "fit",
        "--model=Helmholtz2D",
        "--model.net=MLP",
        "--model.net.hidden=[6]",
        "--data.points={interior: 8, boundary: 8}",
        "--data.steps_per_epoch=4",
        "--data.eval_points=100",
        "--trainer.max_steps=10",
        "--trainer.accelerator=cpu",
        "--trainer.logger=false",
        "--trainer.enable_progress_bar=false",
        "--trainer.callbacks+=SolutionPlotter",
        *(f"--trainer.callbacks+={callback}" for callback in callbacks),
    ]
    with pytest.raises(SIGTERMException):
        main(line)
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 6
    main([*line, f"--ckpt_path={last}"])
    assert torch.load(last, weights_only=True)["global_step"] == 10
