"""Clouds of points in files."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lightning_autobalance.points.mesh_files import read_mesh
from lightning_autobalance.points.rounding import Array

NORMALS = "_normals"


@dataclass
class CloudFile:
    """What a file holds.

    Args:
        points: By part, each (n, d).
        normals: By part, each (n, d).
        coordinates: Names, if the file has them.
    """

    points: dict[str, Array]
    normals: dict[str, Array] = field(default_factory=dict)
    coordinates: tuple[str, ...] | None = None


def read_cloud(
    path: str | PathLike[str], coordinates: Sequence[str] | None = None, names: Mapping[int, str] | None = None
) -> CloudFile:
    """Points by part, and normals where there are some.

    - ``.npz``: an array per part, ``interior`` and others, (n, d), and ``<part>_normals``.
    - ``.csv``: a header with ``x``, ``y``, ``z``, ``t`` or the coordinates that are asked for; in the column ``part``
      the part of each row, which is ``interior`` without; normals as ``nx``, ``ny``, ``nz``. Other columns are ignored.
    - A mesh, by meshio: the number in the point data ``part`` with its name in ``names``, and normals in the point data
      ``normals``. Without numbers, nodes of sides that belong to a single cell are ``boundary``, others ``interior``.

    Args:
        path: The file.
        coordinates: Names of the coordinates.
        names: Names of the parts by their number, for a mesh.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If its columns, arrays or parts are not as above.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"`path` must be a file with points, found none at {str(file)!r}.")
    if names is not None and file.suffix in (".npz", ".csv"):
        raise ValueError(f"`names` must be left out for {file.suffix} files, which have the parts by name.")
    try:
        if file.suffix == ".npz":
            found = _npz(file)
        elif file.suffix == ".csv":
            found = _csv(file, coordinates)
        else:
            points, normals = read_mesh(file, len(coordinates) if coordinates is not None else None, names)
            found = CloudFile(points, normals)
    except (ValueError, BadZipFile) as error:
        raise ValueError(f"`path` must be a cloud of points, got {str(file)!r}: {error}") from error
    if "interior" not in found.points:
        parts = sorted(found.points)
        raise ValueError(f"`path` must have a part 'interior', got {str(file)!r} with parts {parts}.")
    found.coordinates = tuple(coordinates) if coordinates is not None else found.coordinates
    return found


def _npz(file: Path) -> CloudFile:
    with file.open("rb") as stream:
        arrays = np.load(stream, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError("it must have an array per part, by `numpy.savez`, got a single array without a name.")
        found = {name: arrays[name] for name in arrays.files}
    normals = {name.removesuffix(NORMALS): found.pop(name) for name in list(found) if name.endswith(NORMALS)}
    return CloudFile(found, normals)


def _csv(file: Path, coordinates: Sequence[str] | None) -> CloudFile:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        header, *rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row] or [[]]
    names: list[str] = (
        [name for name in ("x", "y", "z", "t") if name in header] if coordinates is None else list(coordinates)
    )
    missing = [name for name in names if name not in header]
    if missing or not names:
        raise ValueError(f"its header must have a column per coordinate, {missing or ['x']} among them, got {header}.")
    wrong = [i for i, row in enumerate(rows, 2) if len(row) != len(header)]
    if wrong:
        raise ValueError(f"its rows must have {len(header)} columns, got another number in row {wrong[0]}.")
    normal = [f"n{name}" for name in names if f"n{name}" in header]
    part = np.array([row[header.index("part")] if "part" in header else "interior" for row in rows])
    if (part == "").any():
        raise ValueError(
            f"its column part must have a name in every row, got none in row {int(np.argmax(part == '')) + 2}."
        )
    points = _by_part(part, _numbers(header, rows, names))
    normals = _by_part(part, _numbers(header, rows, normal, gaps=True)) if normal else {}
    given = {name: _widened(rows_, names, normal) for name, rows_ in normals.items() if not np.isnan(rows_).all()}
    return CloudFile(points, given, tuple(names))


def _numbers(header: list[str], rows: list[list[str]], names: list[str], gaps: bool = False) -> Array:
    """Columns by name, (n, c); NaN where a cell is empty and may be."""
    found = np.empty((len(rows), len(names)))
    for j, name in enumerate(names):
        column = header.index(name)
        for i, row in enumerate(rows):
            try:
                found[i, j] = np.nan if gaps and not row[column] else float(row[column])
            except ValueError:
                raise ValueError(f"its column {name} must be numbers, got {row[column]!r} in row {i + 2}.") from None
    return found


def _widened(rows: Array, names: list[str], normal: list[str]) -> Array:
    """Normals with zeros along coordinates without a column, such as time."""
    wide = np.zeros((len(rows), len(names)))
    wide[:, [names.index(name[1:]) for name in normal]] = rows
    return wide


def _by_part(part: np.ndarray, rows: Array) -> dict[str, Array]:
    return {str(name): rows[part == name] for name in dict.fromkeys(part.tolist())}
