"""`--ckpt_path` finds a checkpoint, or is refused in one line."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_autobalance.cli.ckpt_path import resolve
from lightning_autobalance.cli.lightning_cli import run

SMALL = (
    "fit",
    "--model=Helmholtz2D",
    "--data.points.interior=16",
    "--data.points.boundary=8",
    "--data.eval_points=100",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--default_callbacks=false",
    '--trainer.callbacks=[{"class_path": "ModelCheckpoint", "init_args": {"save_last": true}}]',
)


def config(path: str | None, **trainer: Any) -> Any:
    default = {"logger": False, "callbacks": None, "default_root_dir": None}
    model = SimpleNamespace(class_path="my_pde.Wave")
    return type("Config", (SimpleNamespace,), {"get": lambda self, name: vars(self)[name]})(
        ckpt_path=path, model=model, trainer=SimpleNamespace(**{**default, **trainer})
    )


def made(*names: str) -> None:
    for age, name in enumerate(reversed(names)):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
        os.utime(name, (1e9 - age, 1e9 - age))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def logger(kind: str, **arguments: Any) -> Any:
    return SimpleNamespace(class_path=f"lightning.pytorch.loggers.{kind}", init_args=SimpleNamespace(**arguments))


BOARD = logger("TensorBoardLogger", save_dir="runs", name=None)
OWN = SimpleNamespace(class_path="ModelCheckpoint", init_args=SimpleNamespace(dirpath="own"))


@pytest.mark.parametrize(
    ("trainer", "newest"),
    [
        ({"logger": BOARD}, "runs/Wave/version_1/checkpoints/last-v1.ckpt"),
        ({"logger": [BOARD]}, "runs/Wave/version_1/checkpoints/last-v1.ckpt"),
        ({"logger": logger("CSVLogger", save_dir="logs", name="l")}, "logs/l/a/checkpoints/last.ckpt"),
        ({"logger": True}, "lightning_logs/version_0/checkpoints/last.ckpt"),
        ({}, "checkpoints/last.ckpt"),
        ({"default_root_dir": "root"}, "root/checkpoints/last.ckpt"),
        ({"logger": BOARD, "callbacks": [OWN]}, "own/last.ckpt"),
    ],
)
def test_last_is_the_newest_of_the_runs_of_this_configuration(trainer: Any, newest: str) -> None:
    made(
        "runs/Wave/version_0/checkpoints/last.ckpt",
        "runs/Wave/version_1/checkpoints/last-v1.ckpt",
        "logs/l/a/checkpoints/last.ckpt",
        "lightning_logs/version_0/checkpoints/last.ckpt",
        "checkpoints/last.ckpt",
        "root/checkpoints/last.ckpt",
        "own/last.ckpt",
        "runs/Heat/version_9/checkpoints/last.ckpt",
    )
    assert resolve(config("last", **trainer)) == newest


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("last", r"`ckpt_path` last must find .*, got none in runs/Wave/\*/checkpoints\. Name the file"),
        ("best", "`ckpt_path` must be a file here, got best"),
        ("hpc", r"`ckpt_path` hpc must find a file hpc_ckpt_<n>\.ckpt .*, got none"),
        ("registry", "`ckpt_path` registry needs the package litmodels"),
        ("file:///none/last.ckpt", "must be a URL that exists, got file:///none/last.ckpt"),
        ("nothing://a", "must be a URL that can be read, got nothing://a: "),
    ],
)
def test_what_is_not_there_is_refused(path: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=message):
        resolve(config(path, logger=BOARD))
    with pytest.raises(SystemExit) as ended:
        run([*SMALL, f"--ckpt_path={path}"])
    assert ended.value.code == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("tip: ")]
    assert len(lines) == 1
    assert lines[0].startswith("error: `ckpt_path` ")


def test_what_is_there_stays() -> None:
    made("hpc_ckpt_3.ckpt", "a.ckpt")
    url = f"file://{Path('a.ckpt').resolve()}"
    assert [resolve(config(path)) for path in (None, "hpc", "a.ckpt", url)] == [None, "hpc", "a.ckpt", url]


def test_a_run_goes_on_from_last() -> None:
    run([*SMALL, "--trainer.max_steps=2"])
    run([*SMALL, "--trainer.max_steps=5", "--ckpt_path=last"])
    steps = [
        torch.load(f"runs/Helmholtz2D/version_{n}/checkpoints/last.ckpt", weights_only=True)["loops"]["fit_loop"][
            "epoch_loop.batch_progress"
        ]["total"]["completed"]
        for n in (0, 1)
    ]
    assert steps == [2, 5]
    first = Path("runs/Helmholtz2D/version_1/checkpoints")
    assert sorted(path.name for path in first.iterdir()) == ["epoch=0-step=5.ckpt", "last.ckpt"]
