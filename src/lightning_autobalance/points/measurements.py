"""Values measured at points: what a user declares, and the named columns that it stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from typing import Any

import numpy as np

from lightning_autobalance.utils.arguments import check_at_least, check_positive
from lightning_autobalance.utils.plain import plain
from lightning_autobalance.utils.tables import Column, check_columns, numbers, read_table


@dataclass(eq=False)
class Measurements:
    """Measured values of fields, from a file or from arrays.

    Args:
        inputs: One column per coordinate of the domain: names of columns of the file; or, where these are called
            otherwise, their names by coordinate, such as ``{x: x_mm}``. Without a file, arrays by coordinate, each
            (n,), or one array, (n, d).
        targets: Likewise, the columns of some or all fields, in the order wanted; without a file, arrays by field, or
            one of all fields, (n, k).
        file: ``.csv`` with a header, ``.npz`` with an array per column, or ``.parquet``, which needs pandas.
        batch: Rows in a step, drawn so that every row comes once before any comes again. All by default.
        noise_std: Standard deviation of the noise, if known. Then the term of that name may be noisy (see
            ``measured``), and the run ends where it has come down to the noise (see ``stop_at_noise``).

    Raises:
        ValueError: If a number is out of range, there is no column, or columns are neither names nor arrays.
    """

    inputs: Any
    targets: Any
    file: str | PathLike[str] | None = None
    batch: int | None = None
    noise_std: float | None = None

    def __post_init__(self) -> None:
        self.batch, self.noise_std = plain(self.batch), plain(self.noise_std)
        if self.batch is not None:
            if isinstance(self.batch, bool) or not isinstance(self.batch, int):
                raise ValueError(f"`batch` must be a whole number >= 1, got {self.batch!r}.")
            check_at_least("batch", self.batch, 1)
        if self.noise_std is not None:
            if not isinstance(self.noise_std, int | float):
                raise ValueError(f"`noise_std` must be a number > 0, got {self.noise_std!r}.")
            check_positive("noise_std", self.noise_std)
        for argument in ("inputs", "targets"):
            _check_kind(argument, getattr(self, argument), from_file=self.file is not None)

    @property
    def source(self) -> str:
        """Where the values come from, for messages."""
        return "the arrays" if self.file is None else repr(str(self.file))

    def fields(self, fields: Sequence[str]) -> tuple[str, ...]:
        """The fields that are measured, in the order of the targets.

        Args:
            fields: Names of the k fields.
        """
        return tuple(_by_name("targets", self.targets, fields))

    def columns(self, coordinates: Sequence[str], fields: Sequence[str]) -> dict[str, Column]:
        """By label, the inputs in the order of the coordinates, then the targets as given, each (n,).

        Args:
            coordinates: Names of the d coordinates.
            fields: Names of the k fields.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If names or columns are not as they must be.
        """
        inputs, targets = _by_name("inputs", self.inputs, coordinates), _by_name("targets", self.targets, fields)
        if missing := [name for name in coordinates if name not in inputs]:
            raise ValueError(
                f"`inputs` must give every coordinate of the domain, {list(coordinates)}, got none for {missing[0]!r}."
            )
        inputs = {name: inputs[name] for name in coordinates}
        if self.file is not None:
            return read_table(self.file, [*inputs.values(), *targets.values()])
        arrays = {f"inputs {name}": x for name, x in inputs.items()} | {
            f"targets {name}": y for name, y in targets.items()
        }
        columns = {label: numbers(np.asarray(array), label).ravel() for label, array in arrays.items()}
        check_columns(columns)
        return columns


def _check_kind(argument: str, columns: Any, *, from_file: bool) -> None:
    names = [columns] if isinstance(columns, str) else columns
    if isinstance(names, Mapping):
        names = list(names.values())
    are_names = isinstance(names, Sequence) and all(isinstance(name, str) for name in names)
    if len(names) == 0 if hasattr(names, "__len__") else names is None:
        raise ValueError(f"`{argument}` must have at least one column, got {columns!r}.")
    if from_file and not are_names:
        raise ValueError(f"`{argument}` must be names of columns where there is a `file`, got {columns!r}.")
    if not from_file and are_names:
        raise ValueError(f"`file` must be given where `{argument}` are names, {columns!r}, got none.")


def _by_name(argument: str, columns: Any, known: Sequence[str]) -> dict[str, Any]:
    """What stands for each coordinate or field: the name of a column, or an array."""
    if isinstance(columns, str):
        columns = [columns]
    if not isinstance(columns, Mapping):
        named = isinstance(columns, Sequence) and all(isinstance(name, str) for name in columns)
        columns = {name: name for name in columns} if named else _split(argument, columns, known)
    for name in columns:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            what = "coordinates of the domain" if argument == "inputs" else "fields"
            raise ValueError(
                f"`{argument}` must name {what}, {list(known)}, got {name!r}. "
                + (f"Did you mean {close[0]!r}? " if close else "")
                + f"A column of another name is given as {{{known[0]}: {name}}}."
            )
    return dict(columns)


def _split(argument: str, array: Any, known: Sequence[str]) -> dict[str, Any]:
    """The columns of one array."""
    whole = np.asarray(array)
    whole = whole[:, None] if whole.ndim == 1 else whole
    if whole.ndim != 2 or whole.shape[1] != len(known):
        raise ValueError(
            f"`{argument}` must have a column for each of {list(known)}, got shape {np.shape(array)}. Give some of "
            "them by name, as a dictionary."
        )
    return dict(zip(known, whole.T, strict=True))
