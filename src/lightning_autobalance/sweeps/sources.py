"""Which source files of the user's own a run depends on: those of the classes that its configuration names."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from sysconfig import get_paths
from typing import Any

import yaml

_STANDARD = {path for name, path in get_paths().items() if name.endswith("stdlib")}


def own_sources(configs: Iterable[str], options: Iterable[str]) -> list[Path]:
    """The user's files with the classes that a configuration names, and what these import from beside them.

    Args:
        configs: YAML files.
        options: Of the command line, such as ``--model=my_pde.Poisson2D``.

    Returns:
        Sorted paths; what is installed is left out, since the results file has its versions.
    """
    found: set[Path] = set()
    for name in {*_classes_of_configs(configs), *_classes_of_options(options)}:
        _add(name.rpartition(".")[0], found)
    return sorted(found)


def _classes_of_configs(configs: Iterable[str]) -> Iterator[str]:
    for config in configs:
        yield from _classes(yaml.safe_load(Path(config).read_text()))


def _classes_of_options(options: Iterable[str]) -> Iterator[str]:
    for option in options:
        value = yaml.safe_load(option.partition("=")[2] or "null")
        yield from [value] if isinstance(value, str) else _classes(value)


def _classes(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(name := value.get("class_path"), str):
            yield name
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _classes(item)


def _add(module: str, found: set[Path]) -> None:
    path = _file(module)
    if path is None or path in found:
        return
    found.add(path)
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{name}" if base else name for name in names)]
        for name in names:
            _add(name, found)


def _file(module: str) -> Path | None:
    """The file of a module that is the user's own: neither Python's, nor installed, nor of this package."""
    if not module or module.split(".")[0] == __name__.split(".")[0]:
        return None
    for folder in map(Path, ["", *sys.path]):
        if "site-packages" in folder.parts or str(folder) in _STANDARD:
            continue
        path = folder.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file.resolve()
    return None
