"""Configurations by name: found, listed, copied; methods leave a problem's learning rate alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_autobalance.cli import main
from lightning_autobalance.cli.packaged_configs import find, packaged, resolve

ROOT = Path(__file__).parents[2]
OWN_RATE = {"auto_balance_soap", "auto_rmsprop", "m_config"}  # whose optimizers have another scale


def test_the_package_has_the_configurations_of_the_repository() -> None:
    assert {f"{name}.yaml" for name in packaged()} == {
        path.relative_to(ROOT / "configs").as_posix() for path in (ROOT / "configs").rglob("*.yaml")
    }


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("helmholtz_2d", "helmholtz_2d.yaml"),
        ("best/helmholtz_2d", "best/helmholtz_2d.yaml"),
        ("method/pcgrad", "method/pc_grad.yaml"),
        ("PCGrad", "method/pc_grad.yaml"),
        ("method/relobralo", "method/re_lo_bra_lo.yaml"),
        ("ConFIG", "method/config.yaml"),
        ("levenberg-marquardt.yaml", "finish/levenberg_marquardt.yaml"),
    ],
)
def test_names_as_people_write_them(name: str, file: str) -> None:
    assert find(name).read_text() == (ROOT / "configs" / file).read_text()


def test_every_configuration_is_found_by_its_own_name() -> None:
    assert {name: find(name) for name in packaged()} == packaged()


def test_a_line_keeps_everything_else() -> None:
    path = str(find("ntk"))
    line = ["fit", "--config", "@ntk", "--config=@method/ntk", "--config", "my.yaml", "--model.note", "@ntk"]
    assert resolve(line) == ["fit", "--config", path, f"--config={path}", *line[4:]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("helmholz_2d", r"got @helmholz_2d\. Did you mean @helmholtz_2d"),
        ("nothing like it", r"got @nothing like it\. `lightning-autobalance configs` lists them"),
    ],
)
def test_an_unknown_name(name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=message):
        find(name)
    with pytest.raises(MisconfigurationException, match=message):
        main(["fit", "--config", f"@{name}"])


def test_list_and_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    main(["configs"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(packaged())
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines), "each has a comment in its first line"
    main(["configs", "copy", "@helmholtz_2d_quick"])
    assert Path("helmholtz_2d_quick.yaml").read_text() == find("helmholtz_2d_quick").read_text()
    with pytest.raises(SystemExit):
        main(["configs", "copy", "helmholtz_2d_quick"])
    assert "`helmholtz_2d_quick.yaml` must not exist yet" in capsys.readouterr().err


def settings_with(method: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    heat = {
        "trainer": {"max_steps": 1},
        "model": {
            "class_path": "helpers.toys.Decay",
            "init_args": {"optimizer": {"class_path": "AutoAdamW", "init_args": {"lr": 2e-3}}},
        },
        "data": {"points": {"interior": 4, "boundary": 2}},
    }
    Path("heat.yaml").write_text(yaml.safe_dump(heat))
    with pytest.raises(SystemExit):
        main(["fit", "--config", "heat.yaml", "--config", f"@method/{method}", "--print_config"])
    found: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]["optimizer"]["init_args"]
    return found


@pytest.mark.parametrize("method", ["adamw", "pc_grad", "auto_soap", "multi_adam"])
def test_a_method_leaves_the_learning_rate_alone(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_with(method, capsys)["lr"] == 2e-3


def test_only_methods_that_need_their_own_have_a_learning_rate() -> None:
    having = {
        path.stem for name, path in packaged().items() if name.startswith("method/") and "lr:" in path.read_text()
    }
    assert having == OWN_RATE
