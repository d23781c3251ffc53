"""`python -m benchmarks quickstart`: run what the quickstart page shows, and keep what it prints."""

import argparse
import io
import json
import os
import re
from contextlib import chdir, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

PAGE = Path("docs/quickstart.md")
OUT = Path("results/quickstart.json")
QUIET = ("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")
VARYING = ("time", "peak memory")  # rows of the table that another machine, or another day, changes


def files_of(page: str) -> dict[str, str]:
    """The files that a page shows: its fenced blocks with a title."""
    return dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', page, re.DOTALL | re.M))


def run(files: dict[str, str], *options: str) -> str:
    """Train in an empty folder, on one thread.

    Args:
        files: Texts by file name; the one that ends in ``.yaml`` is the configuration.
        *options: Further command line options.

    Returns:
        What is printed, 80 columns wide.
    """
    import torch

    from lightning_autobalance.cli import main

    (config,) = (name for name in files if name.endswith(".yaml"))
    printed = io.StringIO()
    threads = torch.get_num_threads()
    with TemporaryDirectory() as folder, chdir(folder), patch.dict(os.environ, COLUMNS="80"), redirect_stdout(printed):
        for name, text in files.items():
            Path(name).write_text(text)
        torch.set_num_threads(1)
        try:
            main(["fit", f"--config={config}", *QUIET, *options])
        finally:
            torch.set_num_threads(threads)
    return printed.getvalue()


def kept(printed: str) -> list[str]:
    """The lines from the table on, without those of time and memory."""
    lines = [line.rstrip() for line in printed.splitlines()]
    start = next(i for i, line in enumerate(lines) if " with " in line and lines[i + 1].startswith("┌"))
    return [line for line in lines[start:] if line and not line.startswith(tuple(f"│ {row} " for row in VARYING))]


def main(args: list[str]) -> None:
    """Run the page, write the results file, rewrite the page."""
    from benchmarks import docs

    argparse.ArgumentParser(prog="python -m benchmarks quickstart", description=__doc__).parse_args(args)
    files = files_of(PAGE.read_text())
    found: dict[str, Any] = {
        "files": files,
        "output": kept(run(files)),
        "versions": {name: version(name) for name in ("lightning", "torch")},
    }
    OUT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    docs.main([])
