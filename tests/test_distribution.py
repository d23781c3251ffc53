"""What is handed to a package index: the wheel and the sdist hold the package, and nothing else of the repository."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "benchmarks", "configs", "docs", "examples", "results", "tests")
NOT_SHIPPED = ("benchmarks", "docs", "examples", "results", "tests")
BUILD = "from setuptools import build_meta; build_meta.build_wheel('out'); build_meta.build_sdist('out')"


class Built(NamedTuple):
    """Files of the wheel without its metadata, of the sdist without its top folder, and of `src`; as posix paths."""

    wheel: set[str]
    sdist: set[str]
    src: set[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both, built from a copy of the repository: without isolation, since that would need a network."""
    copy = tmp_path_factory.mktemp("repository")
    # an egg-info of an earlier build lists files of its own
    generated = ignore_patterns("*.egg-info", "__pycache__")
    for folder in FOLDERS:
        copytree(ROOT / folder, copy / folder, ignore=generated)
    for path in ROOT.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    src = {path.relative_to(copy / "src").as_posix() for path in (copy / "src").rglob("*") if path.is_file()}
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,), (sdist,) = (copy / "out").glob("*.whl"), (copy / "out").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as files:
        in_wheel = {name for name in files.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as files:
        in_sdist = {member.name.partition("/")[2] for member in files.getmembers() if member.isfile()}
    return Built(in_wheel, in_sdist, src)


def test_the_wheel_is_the_source_folder(built: Built) -> None:
    assert built.wheel == built.src
    assert {"lightning_autobalance/py.typed", "lightning_autobalance/module.py"} <= built.wheel
    assert any(name.startswith("lightning_autobalance/scaffold/templates/") for name in built.wheel)


def test_the_wheel_has_one_top_level_name(built: Built) -> None:
    assert {name.split("/")[0] for name in built.wheel} == {"lightning_autobalance"}


def test_the_sdist_has_the_sources_and_what_describes_them(built: Built) -> None:
    assert built.sdist >= {f"src/{name}" for name in built.src}
    assert built.sdist >= {"README.md", "LICENSE", "pyproject.toml"}


@pytest.mark.parametrize("folder", NOT_SHIPPED)
def test_the_sdist_has_nothing_that_needs_a_clone(built: Built, folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert [name for name in built.sdist if name.split("/")[0] == folder] == []
