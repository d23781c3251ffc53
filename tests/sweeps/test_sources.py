"""The user's own files behind a configuration."""

from pathlib import Path

import pytest

from lightning_autobalance.sweeps.sources import own_sources


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str = "") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def names(config: str = "", *options: str) -> list[str]:
    write("a.yaml", config)
    return [path.relative_to(Path.cwd().resolve()).as_posix() for path in own_sources(["a.yaml"], options)]


def test_classes_of_this_package_have_no_file_of_the_users() -> None:
    write("Helmholtz2D.py")
    assert names("model: {class_path: Helmholtz2D}") == []
    assert names("model: {class_path: lightning_autobalance.problems.Helmholtz2D}") == []
    assert names("trainer: {logger: {class_path: lightning.pytorch.loggers.CSVLogger}}") == []
    assert names("") == []


def test_a_class_anywhere_in_the_configuration() -> None:
    for name in ("my_pde.py", "my_net.py", "my_optim.py", "unused.py"):
        write(name)
    nested = "{net: {class_path: my_net.Net}, extra: [{class_path: my_optim.Adam}]}"
    config = f"model: {{class_path: my_pde.Heat, init_args: {nested}}}"
    assert names(config) == ["my_net.py", "my_optim.py", "my_pde.py"]


def test_a_class_on_the_command_line() -> None:
    write("my_pde.py")
    write("my_net.py")
    options = ("--model=my_pde.Heat", '--model.net={"class_path": "my_net.Net"}', "--trainer.max_steps=3", "--flag")
    assert names("", *options) == ["my_net.py", "my_pde.py"]


def test_what_a_file_imports_from_beside_it_belongs_to_it() -> None:
    write("my_pde.py", "import torch\nimport helpers\nfrom parts import a\nfrom parts.c import C\n")
    write("helpers.py", "import my_pde  # a circle\n")
    write("parts/__init__.py")
    write("parts/a.py", "from . import b\nfrom .d import D\n")
    for name in ("parts/b.py", "parts/c.py", "parts/d.py", "parts/unused.py", "torch_helpers.py"):
        write(name)
    expected = ["helpers.py", "my_pde.py", *(f"parts/{name}.py" for name in ("__init__", "a", "b", "c", "d"))]
    assert names("model: {class_path: my_pde.Heat}") == expected


def test_a_folder_of_pythonpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("elsewhere/far.py")
    assert names("model: {class_path: far.Away}") == []
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    assert names("model: {class_path: far.Away}") == ["elsewhere/far.py"]
