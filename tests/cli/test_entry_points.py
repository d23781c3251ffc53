"""The commands `lightning-autobalance` and `lightning`, and what they do not import."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from helpers.runs import UNDRAWN
from lightning_autobalance import __version__
from lightning_autobalance.cli import entry_points, lightning, main

ROOT = Path(__file__).parents[2]
HELMHOLTZ = [
    f"--config={ROOT / 'configs' / 'helmholtz_2d.yaml'}",
    "--trainer.max_steps=2",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--data.eval_points=100",
]


@pytest.mark.parametrize("line", [["--version"], ["--help"], ["new", "my_pde"]], ids=" ".join)
def test_light_commands_import_neither_torch_nor_lightning(line: list[str], tmp_path: Path) -> None:
    code = f"""
import sys
from lightning_autobalance.cli import main
main({line})
heavy = {{"torch", "lightning", "joblib"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [[sys.executable, "-m", "lightning_autobalance"], ["lightning-autobalance"]])
def test_version(command: list[str]) -> None:
    program = Path(sys.executable).parent / command[0] if len(command) == 1 else command[0]
    done = subprocess.run([program, *command[1:], "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"lightning-autobalance {__version__}"


def test_the_lightning_command_trains(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "lightning"
    done = subprocess.run(
        [program, "fit", *HELMHOLTZ, *UNDRAWN], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "Helmholtz2D with AutoAdamW" in done.stdout


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) is None
    printed = capsys.readouterr().out
    for command in (*entry_points.SUBCOMMANDS, "--version"):
        assert (f"\n  {command} " in printed) == (command != "reproduce")  # which is in the repository only
    assert max(map(len, printed.splitlines())) <= 80
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2


def test_a_run_from_python_gives_its_trainer_and_model_and_a_command_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["fit", *HELMHOLTZ, "--default_callbacks=false", "--trainer.logger=false", "--data.points.interior=20"]
    done = main(line)
    assert done.trainer.global_step == 2
    assert type(done.model).__name__ == "Helmholtz2D"
    monkeypatch.setattr(sys, "argv", ["lightning-autobalance", *line])
    assert main() is None  # or it would be the exit status


class OtherDistribution:
    """Stands in for lightning-sdk."""

    def __init__(self, called: list[str]) -> None:
        self.called = called

    @property
    def entry_points(self) -> Any:
        called = self.called

        class Script(EntryPoint):
            def load(self) -> Any:
                return lambda: called.append("sdk")

        script = Script("lightning", "lightning_sdk.cli:main", "console_scripts")
        return type("Scripts", (), {"select": staticmethod(lambda **_: [script])})


def test_the_lightning_command_passes_on_what_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(entry_points, "distributions", lambda: [OtherDistribution(called)])
    monkeypatch.setattr(entry_points, "main", lambda args=None: called.append("ours"))
    lightning(["login"])
    lightning(["--version"])
    lightning(["fit", "--help"])
    monkeypatch.setattr(entry_points, "distributions", list)
    lightning(["--version"])
    assert called == ["sdk", "sdk", "ours", "ours"]


def test_reproduce_names_the_command_that_took_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", "table1", "--quick"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        "`reproduce` is not part of the package: run `python -m benchmarks reproduce table1 --quick` in a clone of the "
        "repository.\n"
    )
