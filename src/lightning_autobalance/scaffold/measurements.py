"""What a file of measurements says about a problem: coordinates, fields, and the box that the points lie in."""

import csv
import json
import keyword
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from pathlib import Path
from zipfile import BadZipFile, ZipFile

COORDINATES = ("x", "y", "z", "t")


@dataclass(frozen=True)
class MeasuredColumns:
    """The columns of a file.

    Args:
        file: The file.
        inputs: Names of coordinates among the columns, in the order x, y, z, t.
        targets: The column of each field.
        bounds: (low, high) of each coordinate.
    """

    file: Path
    inputs: tuple[str, ...]
    targets: dict[str, str]
    bounds: tuple[tuple[float, float], ...]

    @property
    def kind(self) -> str:
        """Of the templates: with time and space, or with either."""
        return "measurements_time" if "t" in self.inputs[1:] else "measurements"

    def texts(self, folder: Path) -> dict[str, str]:
        """What takes the place of words in capitals in the templates.

        Args:
            folder: Of the written files, from which the run is started.
        """
        box = {name: f"({low:.12g}, {high:.12g})" for name, (low, high) in zip(self.inputs, self.bounds, strict=True)}
        space = [name for name in self.inputs if name != "t"] or ["t"]
        differ = any(field != column for field, column in self.targets.items())
        return {
            "BOX": ", ".join(box[name] for name in space),
            "COORDINATES": _tuple(space),
            "TIME": box.get("t", ""),
            "FIELDS": _tuple(self.targets),
            "COUNT": str(len(self.targets)),
            "EQUATION": "u_t = k u" if space == ["t"] else "Δu = k u",
            "OPERATOR": "t" if space == ["t"] else "+".join(2 * name for name in space),
            "MEASURED_FILE": json.dumps(os.path.relpath(self.file, folder), ensure_ascii=False),
            "INPUTS": json.dumps(self.inputs),
            "TARGETS": json.dumps(self.targets if differ else list(self.targets), ensure_ascii=False),
        }


def read_columns(file: Path) -> MeasuredColumns:
    """The columns of a file: those named x, y, z and t are coordinates, the others are measured.

    Where there are no others, they are a trajectory, and t alone is a coordinate.

    Args:
        file: ``.csv`` with a header, or ``.npz`` with an array per column.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there are no coordinates, no fields, or a column of coordinates is not of numbers.
    """
    names = _names(file)
    inputs = tuple(name for name in COORDINATES if name in names)
    if set(inputs) == set(names) and "t" in inputs[1:]:  # a trajectory
        inputs = ("t",)
    targets = [name for name in names if name not in inputs]
    if not inputs or not targets:
        raise ValueError(
            "`--measurements` must have columns named x, y, z or t, where it was measured, and others for what was, "
            f"got {list(names)} in {str(file)!r}."
        )
    fields = {_field(name, number): name for number, name in enumerate(targets)}
    if len(fields) < len(targets):
        raise ValueError(f"`--measurements` must have columns with different names, got {targets} in {str(file)!r}.")
    from lightning_autobalance.utils.tables import read_table  # it needs numpy, for which nobody else waits

    columns = read_table(file, inputs, "--measurements")
    return MeasuredColumns(file, inputs, fields, tuple(_round_box(columns[name]) for name in inputs))


def _names(file: Path) -> list[str]:
    if not file.is_file():
        raise FileNotFoundError(f"`--measurements` must be a file, found none at {str(file)!r}.")
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return [name.strip() for name in next(csv.reader(lines), [])]
    if file.suffix == ".npz":
        try:
            with ZipFile(file) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        except BadZipFile as error:
            raise ValueError(f"`--measurements` must be what `numpy.savez` writes, got {str(file)!r}.") from error
    raise ValueError(f"`--measurements` must be .csv or .npz, got {str(file)!r}.")


def _field(column: str, number: int) -> str:
    """A name for a field: "u [m/s]" is u."""
    word = re.match(r"[A-Za-z_]\w*", column)
    return word[0] if word and not keyword.iskeyword(word[0]) else f"field_{number}"


def _round_box(column: Iterable[float]) -> tuple[float, float]:
    """Around the numbers, with two or three digits."""
    finite = [float(x) for x in column if isfinite(x)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if low == high:
        return low - 0.5, high + 0.5
    unit = 10.0 ** (floor(log10(high - low)) - 2)
    return floor(low / unit + 1e-9) * unit, ceil(high / unit - 1e-9) * unit


def _tuple(names: Iterable[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return f"({', '.join(quoted)}{',' if len(quoted) == 1 else ''})"
