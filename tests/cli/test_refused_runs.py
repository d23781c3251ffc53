"""What a refused run leaves behind: nothing; and what stays in any case."""

from pathlib import Path

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.cli.refused_runs import removing_folders_of_refused_runs

CONFIG = Path(__file__).parents[2] / "configs" / "helmholtz_2d_quick.yaml"
SMALL = ["--trainer.max_steps=2", "--data.points={interior: 8, boundary: 4}", "--data.eval_points=25"]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def folders() -> list[str]:
    return sorted(path.name for path in Path("runs/Helmholtz2D").glob("*"))


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    "mistake", ["--model.weights={pdee: 2}", "--data.points.interor=5", "--trainer.gradient_clip_val=1.0"]
)
def test_a_refused_run_has_no_folder(mistake: str) -> None:
    with pytest.raises(MisconfigurationException):
        run(["fit", f"--config={CONFIG}", *SMALL, mistake])
    assert folders() == []


@pytest.mark.usefixtures("no_pictures")
def test_the_next_run_has_the_next_number_and_earlier_ones_stay() -> None:
    run(["fit", f"--config={CONFIG}", *SMALL])
    files = sorted(path.name for path in Path("runs/Helmholtz2D/version_0").rglob("*"))
    with pytest.raises(MisconfigurationException):
        run(["fit", f"--config={CONFIG}", *SMALL, "--model.weights={pdee: 2}"])
    assert folders() == ["version_0"]
    assert sorted(path.name for path in Path("runs/Helmholtz2D/version_0").rglob("*")) == files
    run(["fit", f"--config={CONFIG}", *SMALL])
    assert folders() == ["version_0", "version_1"]


def end(trainer: Trainer, error: Exception, *made: str) -> None:
    """A run whose loggers and user make some files, and that ends with an error then."""
    with removing_folders_of_refused_runs(trainer):
        for name in made:
            path = Path(str(trainer.log_dir), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        raise error


def refuse(trainer: Trainer, *made: str) -> None:
    with pytest.raises(MisconfigurationException, match="no"):
        end(trainer, MisconfigurationException("no"), *made)


def test_a_file_of_the_users_keeps_the_folder() -> None:
    trainer = Trainer(logger=CSVLogger("runs"), accelerator="cpu", enable_checkpointing=False)
    refuse(trainer, "config.yaml", "notes.txt")
    assert Path(str(trainer.log_dir), "notes.txt").exists()


def test_a_folder_that_was_there_before_stays() -> None:
    trainer = Trainer(
        logger=TensorBoardLogger("runs", name="a", version=3), accelerator="cpu", enable_checkpointing=False
    )
    Path(str(trainer.log_dir)).mkdir(parents=True)
    refuse(trainer, "config.yaml")
    assert Path(str(trainer.log_dir), "config.yaml").exists()


def test_other_errors_remove_nothing() -> None:
    trainer = Trainer(logger=CSVLogger("runs"), accelerator="cpu", enable_checkpointing=False)
    with pytest.raises(KeyError):
        end(trainer, KeyError("no"), "config.yaml")
    assert Path(str(trainer.log_dir)).exists()
