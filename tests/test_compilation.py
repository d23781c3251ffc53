"""Runs the tests of what is compiled in a process without the checks of shapes, which no compiler can follow."""

import os
import sys
from pathlib import Path

import pytest

from helpers.runs import server

COMPILED = Path(__file__).parent / "compiled"


def run(marker: str, folder: Path) -> None:
    options = ["-q", "-o", "addopts=--strict-markers --import-mode=importlib", "-m", marker, "-p", "no:cacheprovider"]
    log = folder / "log"
    process = server().Process(target=collected, args=([*options, str(COMPILED)], log))
    process.start()
    process.join()
    assert process.exitcode == 0, log.read_text()[-20_000:]


def collected(arguments: list[str], log: Path) -> None:
    """What the other process does."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they are imported already, too late for pytest
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(COMPILED.parents[1])
    sys.exit(int(pytest.main(arguments)))


def test_what_is_traced(tmp_path: Path) -> None:
    run("not slow", tmp_path)


@pytest.mark.slow
def test_machine_code(tmp_path: Path) -> None:
    run("slow", tmp_path)
