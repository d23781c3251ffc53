"""Whether a command line names a data module of the user's own, in place of `CollocationPoints`."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml


def names_data_class(line: Sequence[str]) -> bool:
    """Whether ``data`` has a ``class_path``, on the command line or in a configuration that it names.

    Args:
        line: The command line without the program's name.
    """
    for name, value in _options(line):
        if name == "--data.class_path":
            return True
        content = _read(value) if name in ("--config", "-c", "--data") else None
        if name == "--data":
            found = [content]
        else:
            sections = content.values() if isinstance(content, dict) else ()
            found = [each.get("data") for each in (content, *sections) if isinstance(each, dict)]
        if any(isinstance(data, str) or (isinstance(data, dict) and "class_path" in data) for data in found):
            return True
    return False


def _options(line: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in pairwise([*line, ""]):
        name, equals, value = word.partition("=")
        yield name, value if equals else following


def _read(value: str) -> Any:
    """What a file or a text holds in YAML; None where the parser has to report it."""
    try:
        return yaml.safe_load(Path(value).read_text() if Path(value).is_file() else value)
    except (OSError, ValueError, yaml.YAMLError):
        return None
