"""The commands that are named after a run."""

from pathlib import Path

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from helpers.toys import Decay, fit
from lightning_autobalance.callbacks.next_commands import last_path, next_commands, states


def test_commands_of_a_run_of_the_command_line(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path / "my runs", name="Decay")
    kept = ModelCheckpoint(save_last=True, monitor="val/mse")
    trainer = fit(Decay(), tmp_path, max_steps=10, logger=logger, enable_checkpointing=True, callbacks=[kept])
    folder = Path(logger.log_dir)
    assert next_commands(trainer) == {"curves": f"tensorboard --logdir '{tmp_path}/my runs'"}
    (folder / "plots").mkdir()
    (folder / "config.yaml").touch()
    found = next_commands(trainer)
    assert found["pictures"] == str(folder / "plots")
    given = f"--config '{folder}/config.yaml' --ckpt_path '{folder}/checkpoints/last.ckpt'"
    assert found["go on"] == f"lightning-autobalance fit {given} --trainer.max_steps 20"
    assert found["predict"] == f"lightning-autobalance predict {given}"
    rows = states(trainer, 10)
    assert rows["losses"] == "after step 0, the last that was logged"
    assert rows["errors"] == "after step 10"
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert rows["last.ckpt"] == f"after step {saved}"  # that of the best one: Lightning saves them together
    assert float(rows["best val/mse"].split(",")[0]) > 0


def test_a_run_without_files_names_none(tmp_path: Path) -> None:
    trainer = fit(Decay(), tmp_path, max_steps=2)
    assert next_commands(trainer) == {}
    assert last_path(trainer) == ""
    assert states(trainer, None) == {"losses": "after step 0, the last that was logged"}
