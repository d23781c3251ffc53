"""Columns of numbers by name, from files."""

import csv
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from lightning_autobalance.utils.grids import flat_columns

Column = NDArray[np.float64]  # (n,)
Arrays = dict[str, NDArray[np.float64]]  # of any shape


def read_table(
    path: str | PathLike[str], names: Sequence[str], argument: str = "file", axes: Sequence[str] = ()
) -> dict[str, Column]:
    """Columns of a file by name; NaN where a cell is empty or says so.

    ``.npz`` and ``.mat`` hold an array of numbers per column, flattened; ``.csv`` has a header, ``.parquet`` needs
    pandas.

    Args:
        path: The file.
        names: The columns that are wanted.
        argument: What the file is called in errors.
        axes: Those that may be axes of a grid: then the other arrays have one dimension for each of them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column is not there or holds something else than numbers, lengths differ, or there is no row.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(
            f"`{argument}` must be a file, found none at {str(file)!r}: relative paths start from the current folder, "
            f"{str(Path.cwd())!r}."
        )
    if file.suffix not in READERS:
        raise ValueError(f"`{argument}` must be one of {', '.join(READERS)}, got {str(file)!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"`{argument}` must be read with different columns, got {list(names)}.")
    try:
        found = flat_columns(READERS[file.suffix](file, names), axes)
        check_columns(found)
    except (ValueError, BadZipFile, EOFError, MatReadError, NotImplementedError) as error:
        raise ValueError(f"`{argument}` must have columns of numbers, got {str(file)!r}: {error}") from error
    return found


def check_columns(columns: Mapping[str, Column]) -> None:
    """Refuse columns of different lengths, without rows, or with infinite numbers.

    Raises:
        ValueError: If there are such.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"its columns must have the same length, got {lengths}.")
    if 0 in lengths.values():
        raise ValueError("it must have at least one row, got none.")
    for name, column in columns.items():
        infinite = np.flatnonzero(np.isinf(column))
        if len(infinite):
            raise ValueError(
                f"its column {name!r} must be finite, or nan where a value is missing, got {column[infinite[0]]} in "
                f"row {infinite[0] + 1}, and {len(infinite)} such in all."
            )


def fingerprint(columns: Mapping[str, Column]) -> str:
    """A short text that changes with any number: to notice another file when a run is resumed."""
    digest = sha256()
    for name in sorted(columns):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(columns[name]).tobytes())
    return digest.hexdigest()[:16]


def _csv(file: Path, names: Sequence[str]) -> Arrays:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows_of_cells = csv.reader(lines)
        header = [name.strip() for name in next(rows_of_cells, [])]
        has_rows = any(rows_of_cells)  # stops at the first that is not empty
    _check_names(names, header)
    places = [header.index(name) for name in names]
    options: dict[str, Any] = {"delimiter": ",", "skiprows": 1, "usecols": places, "ndmin": 2, "encoding": "utf-8-sig"}
    if not has_rows:
        return {name: np.empty(0) for name in names}
    try:
        rows = np.loadtxt(file, comments=None, **options)
    except ValueError:
        rows = _cell_by_cell(file, names, header)
    return {name: np.ascontiguousarray(rows[:, i]) for i, name in enumerate(names)}


def _cell_by_cell(file: Path, names: Sequence[str], header: Sequence[str]) -> NDArray[np.float64]:
    """Slowly, to allow empty cells and to name the cell that is no number."""
    rows = []
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for number, cells in enumerate(csv.reader(lines)):
            if number == 0 or not cells:
                continue
            if len(cells) != len(header):
                raise ValueError(f"row {number} must have {len(header)} cells, got {len(cells)}.")
            rows.append([_number(cells[header.index(name)].strip(), name, number) for name in names])
    return np.array(rows).reshape(-1, len(names))


def _number(cell: str, name: str, row: int) -> float:
    try:
        return float(cell) if cell else np.nan
    except ValueError:
        raise ValueError(f"its column {name!r} must be numbers, got {cell!r} in row {row}.") from None


def _npz(file: Path, names: Sequence[str]) -> Arrays:
    with file.open("rb") as stream:
        arrays = np.load(stream, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError("it must have an array per column, by `numpy.savez`, got a single array without a name.")
        _check_names(names, arrays.files)
        return {name: numbers(arrays[name], name) for name in names}


def _mat(file: Path, names: Sequence[str]) -> Arrays:
    _check_names(names, [name for name, _, _ in whosmat(file)])
    arrays = loadmat(file, variable_names=list(names))
    return {name: numbers(arrays[name], name) for name in names}


def _parquet(file: Path, names: Sequence[str]) -> Arrays:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"`{file.name}` needs pandas: pip install pandas pyarrow") from error
    frame = pandas.read_parquet(file)
    _check_names(names, list(frame.columns))
    return {name: numbers(frame[name].to_numpy(), name) for name in names}


def numbers(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    """An array in double precision.

    Args:
        values: Of any shape.
        name: What it is called in errors.

    Raises:
        ValueError: If it holds something else than real numbers.
    """
    if values.dtype.kind not in "fiub":
        raise ValueError(f"its column {name!r} must be numbers, got {values.dtype}.")
    return np.asarray(values, dtype=np.float64)


def _check_names(names: Sequence[str], found: Sequence[str]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"it must have the columns {list(names)}, found none named {missing[0]!r} among {list(found)}."
        )


READERS: dict[str, Callable[[Path, Sequence[str]], Arrays]] = {
    ".csv": _csv,
    ".npz": _npz,
    ".mat": _mat,
    ".parquet": _parquet,
}
