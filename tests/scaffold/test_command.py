"""The command line of `new`: what it says, and how it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from lightning_autobalance import scaffold
from lightning_autobalance.cli import lightning, main
from lightning_autobalance.scaffold.files import TEMPLATES


def test_it_says_what_was_written_and_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaffold.main(["my_own"])
    assert capsys.readouterr().out.splitlines() == [
        "wrote my_own.py",
        "wrote my_own.yaml",
        "wrote test_my_own.py",
        "train it:     lightning-autobalance fit --config my_own.yaml",
        "test it:      pytest test_my_own.py",
        "then make it yours: the numbered comments in my_own.py say where.",
    ]
    assert {file.name for file in tmp_path.iterdir()} == {"my_own.py", "my_own.yaml", "test_my_own.py"}


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ([], "stationary"),
        (["--stationary"], "stationary"),
        (["--time"], "time"),
        (["--inverse"], "stationary_inverse"),
        (["--time", "--inverse"], "time_inverse"),
        (["--geometry"], "geometry"),
        (["--parametric"], "parametric"),
    ],
)
def test_flags_choose_the_template(flags: list[str], kind: str, tmp_path: Path) -> None:
    scaffold.main(["my_pde", *flags])
    expected = (TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8")
    assert (tmp_path / "my_pde.py").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "the following arguments are required: name"),
        (["my_pde", "--time", "--stationary"], "not allowed with argument"),
        (["my_pde", "--geometry", "--inverse"], "`--inverse` must go with --stationary or --time, got --geometry."),
        (["my_pde", "--measurements=none.csv"], "`--measurements` must be a file, found none at 'none.csv'"),
        (["my_pde", "--measurements=none.csv", "--inverse"], "`--inverse` must be left out with `--measurements`"),
        (["my_pde", "--measurements=none.csv", "--time"], "not allowed with argument"),
        (["my-pde"], "`name` must be a Python identifier, such as my_pde, got 'my-pde'"),
    ],
)
def test_a_mistake_ends_with_status_2(
    args: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        scaffold.main(args)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my_pde.yaml").write_text("mine")
    with pytest.raises(SystemExit) as stopped:
        main(["new", "my_pde"])
    assert stopped.value.code == 2
    assert "`my_pde.yaml` must not be there yet. Choose another name" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["my_pde.yaml"]
    assert (tmp_path / "my_pde.yaml").read_text() == "mine"


def test_another_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", "my_pde", "--folder=deep/er", "--stationary"])
    assert (tmp_path / "deep" / "er" / "test_my_pde.py").exists()
    assert "cd deep/er" in capsys.readouterr().out


def test_the_lightning_command_knows_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lightning(["new", "my_pde"])
    assert "lightning-autobalance fit --config my_pde.yaml" in capsys.readouterr().out


def test_new_imports_neither_torch_nor_lightning(tmp_path: Path) -> None:
    code = (
        "import sys; from lightning_autobalance.cli import main; main(['new', 'my_pde'])\n"
        "sys.exit(int(bool({'torch', 'lightning', 'numpy'} & sys.modules.keys())))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
    command = [sys.executable, "-m", "lightning_autobalance", "new", "my_pde2"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "my_pde2.yaml").exists()
