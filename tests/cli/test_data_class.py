"""A data module of the user's own, named in YAML or on the command line."""

import sys
from pathlib import Path

import pytest

from lightning_autobalance.cli.data_class import names_data_class
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.data import CollocationPoints

OURS = "model:\n  class_path: Helmholtz2D\ndata:\n  points: {interior: 8, boundary: 8}\n"
OWN = """
model:
  class_path: Helmholtz2D
data:
  class_path: own_data_of_a_test.Own
  init_args: {count: 8}
"""
MODULE = """
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

class Own(LightningDataModule):
    def __init__(self, count: int = 4):
        super().__init__()
        x = torch.rand(count, 2, dtype=torch.float64) * 2 - 1
        self.batch = {"interior": x, "boundary": torch.cat([x[:, :1], torch.ones(count, 1)], dim=1)}

    def train_dataloader(self):
        return DataLoader([self.batch] * 5, batch_size=None)

    def val_dataloader(self):
        return DataLoader([self.batch["interior"]], batch_size=None)
"""
pytestmark = pytest.mark.usefixtures("no_pictures")  # which are tested elsewhere
QUIET = ["--trainer.max_steps=2", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_data_of_a_test", raising=False)
    Path("own_data_of_a_test.py").write_text(MODULE)
    Path("ours.yaml").write_text(OURS)
    Path("own.yaml").write_text(OWN)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (["fit", "--config=own.yaml"], True),
        (["fit", "--config", "ours.yaml", "-c", "own.yaml"], True),
        (["fit", "--data=own_data_of_a_test.Own"], True),
        (["fit", "--data", "{class_path: own_data_of_a_test.Own}"], True),
        (["fit", "--data.class_path", "own_data_of_a_test.Own"], True),
        (["fit", "--config=ours.yaml", "--data.points.interior=4"], False),
        (["fit", "--data", "{points: {interior: 4}}"], False),
        (["fit", "--config=none.yaml"], False),
        (["fit", "--config={model: [}"], False),
        (["fit", "--config"], False),
        ([], False),
    ],
)
def test_what_names_a_class(line: list[str], names: bool) -> None:
    assert names_data_class(line) is names


def test_a_configuration_of_a_subcommand_names_one() -> None:
    Path("all.yaml").write_text("fit:\n" + OWN.replace("\n", "\n  "))
    assert names_data_class(["--config=all.yaml"])


@pytest.mark.parametrize("line", [["--config=own.yaml"], ["--config=own.yaml", "--data.count=6"]])
def test_a_data_module_of_ones_own_trains_from_yaml(line: list[str]) -> None:
    cli = run(["fit", *line, *QUIET])
    assert type(cli.datamodule).__name__ == "Own"
    assert len(cli.datamodule.batch["interior"]) == (6 if "--data.count=6" in line else 8)
    assert cli.trainer.global_step == 2
    saved = next(Path("runs").rglob("config.yaml"))
    assert run(["fit", f"--config={saved}"]).trainer.global_step == 2


def test_the_configurations_of_our_points_work_as_before() -> None:
    cli = run(["fit", "--config=ours.yaml", "--data.eval_points=100", *QUIET])
    assert isinstance(cli.datamodule, CollocationPoints)
    assert cli.datamodule.counts == {"interior": 8, "boundary": 8}


def test_our_points_may_be_named_as_a_class() -> None:
    points = "{class_path: CollocationPoints, init_args: {points: {interior: 8, boundary: 9}, eval_points: 100}}"
    cli = run(["fit", "--model=Helmholtz2D", f"--data={points}", *QUIET])
    assert cli.datamodule.counts == {"interior": 8, "boundary": 9}
