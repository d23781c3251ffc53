"""Tests of `new` run in an empty folder, from which the written modules can be imported."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> Iterator[None]:
    """Change to an empty folder, and forget the modules imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # as `main` does for the command line
    yield
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]
