"""Runs the tests of what is compiled in a process without the checks of shapes, which no compiler can follow."""

import subprocess
import sys
from pathlib import Path

import pytest

COMPILED = Path(__file__).parent / "compiled"


def run(marker: str) -> None:
    options = ["-q", "-o", "addopts=--strict-markers --import-mode=importlib", "-m", marker, "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(COMPILED)],
        cwd=COMPILED.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]


def test_what_is_traced() -> None:
    run("not slow")


@pytest.mark.slow
def test_machine_code() -> None:
    run("slow")
