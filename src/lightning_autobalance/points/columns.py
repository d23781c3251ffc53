"""Which columns of a file, or of arrays, are coordinates and which are fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from lightning_autobalance.utils.plain import plain
from lightning_autobalance.utils.tables import Column, check_columns, read_table

KEYS = ("file", "inputs", "targets")


@dataclass(frozen=True)
class FileColumns:
    """Columns of a file by coordinate and by field.

    Args:
        file: The file.
        inputs: Its column by coordinate.
        targets: Its column by field.
        argument: What it is called in errors.
    """

    file: str
    inputs: Mapping[str, str]
    targets: Mapping[str, str]
    argument: str

    def read(self) -> dict[str, Column]:
        """Columns by coordinate and field, with NaN where a number is missing.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If a column is missing, or something else is wrong with it.
        """
        of = {**self.inputs, **self.targets}
        found = read_table(self.file, list(of.values()), self.argument, axes=list(self.inputs.values()))
        return {name: found[column] for name, column in of.items()}


def file_columns(
    given: Mapping[str, Any], coordinates: Sequence[str], fields: Sequence[str], argument: str
) -> FileColumns:
    """From what a user writes: ``file``, and where names differ, ``inputs`` and ``targets``.

    Args:
        given: The file; columns of the coordinates in their order; names of fields, or their columns.
        coordinates: Of the domain.
        fields: Of the module.
        argument: What it is called in errors.

    Raises:
        ValueError: If a key is unknown or missing, or names do not fit.
    """
    if set(given) - set(KEYS) or not isinstance(file := given.get("file"), str | PathLike):
        raise ValueError(
            f"`{argument}` must have the path `file` and, where columns have other names, `inputs` and `targets`, "
            f"got {dict(given)}."
        )
    inputs = _inputs(given.get("inputs"), coordinates, argument)
    return FileColumns(str(file), inputs, _targets(given.get("targets"), fields, argument), argument)


def array_columns(
    points: Any, values: Any, coordinates: Sequence[str], fields: Sequence[str], argument: str
) -> dict[str, Column]:
    """Columns by coordinate and field from arrays.

    Args:
        points: (n, d).
        values: (n, k), (n,) for a single field, or (n,) by field where only some are known.
        coordinates: Of the domain.
        fields: Of the module.
        argument: What it is called in errors.

    Raises:
        ValueError: If a shape is wrong, a field unknown, or a number infinite.
    """
    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(coordinates):
        raise ValueError(
            f"`{argument}` must have points of shape (n, {len(coordinates)}), the coordinates {tuple(coordinates)}, "
            f"got {x.shape}."
        )
    if isinstance(values, Mapping):
        _targets(list(values), fields, argument)
        u = {name: np.asarray(column, dtype=np.float64).reshape(-1) for name, column in values.items()}
    else:
        table = np.asarray(values, dtype=np.float64)
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2 or table.shape[1] != len(fields):
            raise ValueError(
                f"`{argument}` must have values of shape (n, {len(fields)}), the fields {tuple(fields)}, got "
                f"{table.shape}. Where only some are known, give a column by field."
            )
        u = dict(zip(fields, table.T, strict=True))
    found = {**dict(zip(coordinates, x.T, strict=True)), **u}
    try:
        check_columns(found)
    except ValueError as error:
        raise ValueError(f"`{argument}` must have columns of numbers, got arrays: {error}") from error
    return found


def _inputs(given: Any, coordinates: Sequence[str], argument: str) -> dict[str, str]:
    given = plain(given)
    if given is None or (isinstance(given, list | tuple) and sorted(map(str, given)) == sorted(coordinates)):
        return {name: name for name in coordinates}  # columns with the names of the coordinates, in any order
    names = dict(zip(coordinates, given, strict=False)) if isinstance(given, list | tuple) else given
    length = len(given) if isinstance(given, list | tuple | Mapping) else 0
    if not _names_columns(names) or set(names) != set(coordinates) or length != len(coordinates):
        raise ValueError(
            f"`inputs` of `{argument}` must name a column for each of the coordinates {tuple(coordinates)}, got "
            f"{given!r}."
        )
    return {name: names[name] for name in coordinates}


def _targets(given: Any, fields: Sequence[str], argument: str) -> dict[str, str]:
    given = plain(given)
    names = {name: name for name in given} if isinstance(given, list | tuple) else given
    names = {name: name for name in fields} if names is None else names
    if not _names_columns(names) or not set(names) <= set(fields):
        raise ValueError(
            f"`targets` of `{argument}` must name fields of {tuple(fields)}, or give a column by field, such as "
            f"{{{fields[0]}: {fields[0]}_of_file}}, got {given!r}."
        )
    return {name: names[name] for name in fields if name in names}


def _names_columns(names: Any) -> bool:
    return isinstance(names, Mapping) and bool(names) and all(isinstance(column, str) for column in names.values())
