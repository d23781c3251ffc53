"""A results file: JSON lines, each appended by one write."""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a results file; none if it does not exist.

    Raises:
        ValueError: If a line is no JSON object.
    """
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not isinstance(found := _parsed(line), dict):
            raise ValueError(f"`{path}` must hold one JSON object per line, got something else in line {number}.")
        yield found


def append(path: Path, line: dict[str, Any]) -> None:
    """Append a line to a results file, by one write, and wait until it is on the disk.

    Raises:
        OSError: If only a part of the line was written.
    """
    data = json.dumps(line).encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        if file.write(data) != len(data):
            raise OSError(f"`{path}` must take whole lines, the disk took a part of one. Is it full?")
        os.fsync(file.fileno())


def mend(path: Path) -> None:
    """Cut off the incomplete line with which a results file ends after a crash during a write.

    A complete line that lacks only its line break is kept. The file need not exist.
    """
    data = path.read_bytes() if path.exists() else b""
    start = data.rfind(b"\n") + 1
    last = data[start:]
    if not last:
        return
    if isinstance(_parsed(last), dict):
        with path.open("ab") as file:
            file.write(b"\n")
        return
    os.truncate(path, start)
    warnings.warn(
        f"`{path}` ended in the middle of a line, {len(last)} bytes; they were cut off, and that run is trained again.",
        stacklevel=2,
    )


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # also raised where the line is no UTF-8
        return None
