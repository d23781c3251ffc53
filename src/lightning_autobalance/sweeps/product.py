"""A sweep as YAML: the product of problems, variants, methods and seeds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from lightning_autobalance.sweeps.runs import Run

WORK = Path("runs/sweep")
REQUIRED = ("out", "iterations", "problems")
OPTIONAL = ("methods", "variants", "seeds", "options")
Words = tuple[str, ...]  # files and options, in the order of the command line


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, and where their results go.

    Args:
        out: The results file.
        runs: Every combination; those with the first seed come first.
    """

    out: Path
    runs: list[Run]


def plan(path: Path) -> Plan:
    """Read a sweep and check it.

    Args:
        path: A YAML file with ``out``, ``iterations`` and ``problems``, and optionally ``methods``, ``variants``,
            ``seeds`` and ``options``. Problems, methods and variants are names with a file, an option that begins
            with ``--``, or a list of these.

    Raises:
        ValueError: If something in it is missing, unknown or of the wrong kind, or names a file that is not there.
    """
    given = _read(path)
    problems = _stacks(given, "problems")
    methods = _stacks(given, "methods") if "methods" in given else {"default": ()}
    variants = _stacks(given, "variants") if "variants" in given else {"plain": ()}
    extra, iterations = _words(given.get("options", []), "options"), _whole(given["iterations"], "iterations", least=1)
    if not isinstance(given["out"], str):
        raise ValueError(f"`out` must be the path of a results file, got {given['out']!r}.")
    runs = [
        _run(
            (problem, variant, method),
            seed,
            iterations,
            problems[problem] + methods[method] + variants[variant] + extra,
        )
        for seed, problem, variant, method in product(_seeds(given), problems, variants, methods)
    ]
    return Plan(Path(given["out"]), runs)


def _run(names: tuple[str, str, str], seed: int, iterations: int, words: Words) -> Run:
    problem, variant, method = names
    configs = tuple(word for word in words if not word.startswith("--"))
    options = tuple(word for word in words if word.startswith("--"))
    return Run(problem, method, seed, iterations, configs, options, variant, WORK)


def _read(path: Path) -> dict[str, Any]:
    try:
        given = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"`{path}` must be YAML: {error}") from error
    if not isinstance(given, dict):
        raise ValueError(f"`{path}` must hold the keys {', '.join(REQUIRED)}, got {given!r}.")
    known = (*REQUIRED, *OPTIONAL)
    for key in given:
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise ValueError(f"`{key}` is no key of a sweep.{hint} Valid are: {', '.join(known)}.")
    if lacking := [key for key in REQUIRED if key not in given]:
        raise ValueError(f"`{path}` must hold the keys {', '.join(REQUIRED)}, it lacks {', '.join(lacking)}.")
    return given


def _stacks(given: Mapping[str, Any], key: str) -> dict[str, Words]:
    stacks = given[key]
    if not isinstance(stacks, dict) or not stacks:
        raise ValueError(f"`{key}` must map names to files, got {stacks!r}.")
    for name in stacks:
        if not re.fullmatch(r"[\w.+][\w.+-]*", str(name)):
            raise ValueError(f"`{key}` must have names of letters, digits and . _ + -, got {name!r}.")
    return {str(name): _words(words, f"{key}.{name}") for name, words in stacks.items()}


def _words(words: Any, key: str) -> Words:
    listed = [words] if isinstance(words, str) else words
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise ValueError(
            f"`{key}` must be a file, an option such as --trainer.accelerator=cpu or a list, got {words!r}."
        )
    for word in listed:
        if word.startswith("--") and "=" not in word:
            raise ValueError(f"`{key}` must write an option with its value, such as --name=value, got {word}.")
        if not word.startswith("--") and not Path(word).is_file():
            raise ValueError(f"`{key}` must name files that exist, seen from {Path.cwd()}, got {word}.")
    return tuple(listed)


def _seeds(given: Mapping[str, Any]) -> list[int]:
    seeds = given.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or len(set(map(str, seeds))) != len(seeds):
        raise ValueError(f"`seeds` must be a list of different whole numbers, got {seeds!r}.")
    return [_whole(seed, "seeds", least=0) for seed in seeds]


def _whole(value: Any, key: str, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"`{key}` must be a whole number >= {least}, got {value!r}.")
    return value
