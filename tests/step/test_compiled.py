"""Runs the tests of what is compiled in a process without the checks of shapes, which no compiler can follow."""

from pathlib import Path

import pytest

from helpers.runs import run_tests, server

COMPILED = Path(__file__).parents[1] / "compiled"


def run(marker: str, folder: Path) -> None:
    options = ["-q", "-o", "addopts=--strict-markers --import-mode=importlib", "-m", marker, "-p", "no:cacheprovider"]
    log = folder / "log"
    process = server().Process(target=run_tests, args=([*options, str(COMPILED)], COMPILED.parents[1], log))
    process.start()
    process.join()
    assert process.exitcode == 0, log.read_text()[-20_000:]


def test_what_is_traced(tmp_path: Path) -> None:
    run("not slow", tmp_path)


@pytest.mark.slow
def test_machine_code(tmp_path: Path) -> None:
    run("slow", tmp_path)
