"""`python -m benchmarks bad_inputs`: wrong inputs, and when and how each is noticed."""

import argparse
import io
import json
import logging
import re
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.bad_input_cases import CASES, Case
from benchmarks.report import rewrite

OUT = Path("results/bad_inputs.json")
PAGE = Path("docs/bad-inputs.md")
LONGEST = 400  # characters of a message that are kept
NOT_NOTICED = "not noticed"


def outcome(case: Case) -> dict[str, str]:
    """Run one wrong input in an empty folder.

    Returns:
        What was ``wrong``, ``when`` it was noticed, and the message ``said``, on one line.
    """
    printed = io.StringIO()
    with _quiet(printed), TemporaryDirectory() as folder, chdir(folder), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        torch.manual_seed(0)
        try:
            case.run()
            when, said = _warning(warned)
        except SystemExit:
            when, said = "configuration", printed.getvalue()
        except Exception as error:
            when, said = _when(error), str(error) or type(error).__name__
    return {"wrong": case.wrong, "when": when, "said": one_line(said.replace(f"{folder}/", ""))}


@contextmanager
def _quiet(printed: io.StringIO) -> Iterator[None]:
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(printed), redirect_stdout(printed):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _when(error: Exception) -> str:
    names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    known = {"training_step": "step", "on_train_epoch_end": "end of an epoch", "load_from_checkpoint": "on loading"}
    found = [when for name, when in {**known, "_fit_impl": "before training"}.items() if name in names]
    return found[0] if found else "configuration"


def _warning(warned: Iterable[warnings.WarningMessage]) -> tuple[str, str]:
    """Our first warning, for a run that may be intended and goes on."""
    ours = [str(w.message) for w in warned if w.category is UserWarning and str(w.message).startswith("`")]
    return ("before training, as a warning", ours[0]) if ours else (NOT_NOTICED, "")


def one_line(text: str) -> str:
    """A message without line breaks and what differs from run to run, cut where it becomes long."""
    text = re.sub(r"\s+", " ", re.sub(r"\x1b\[[\d;]*m", "", text)).strip()
    text = re.sub(r"^(tip: .*?)?error: (- )?", "", text)
    text = re.sub(r"\d+\.\d{4,}", lambda number: f"{float(number[0]):.3g}", text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(' ', 1)[0]} ..."


def table(rows: Iterable[Mapping[str, str]]) -> str:
    """A Markdown table: a row per wrong input.

    Args:
        rows: Results of `outcome`.
    """
    lines = ["| what was wrong | when it was noticed | what was said |", "|---|---|---|"]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row[name]) for name in ("wrong", "when", "said")) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Names stay in backticks; other Markdown characters are escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # cut off within a name
        parts = [*parts[:-2], parts[-2] + parts[-1]]
    plain = [re.sub(r"([|*_<\[\]])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts)]
    return "`".join(plain)


def measure() -> dict[str, Any]:
    """Run all cases."""
    packages = ("jsonargparse", "lightning", "torch")
    return {"versions": {name: version(name) for name in packages}, "rows": [outcome(case) for case in CASES]}


def main(args: list[str]) -> None:
    """Run all cases, write the results, rewrite the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks bad_inputs", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--rewrite-only", action="store_true", help="only the page, from the results")
    arguments = parser.parse_args(args)
    if not arguments.rewrite_only:
        arguments.out.write_text(json.dumps(measure(), indent=1, ensure_ascii=False) + "\n")
    rewrite(arguments.page, table(json.loads(arguments.out.read_text())["rows"]))
