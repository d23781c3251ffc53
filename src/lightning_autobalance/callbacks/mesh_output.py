"""Fields on the cells of a grid, as VTK files by meshio."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_autobalance.points import Domain, Extended

CELLS = {1: "line", 2: "quad", 3: "hexahedron"}
CORNERS: dict[int, list[tuple[int, ...]]] = {  # of a cell, as VTK orders them
    1: [(0,), (1,)],
    2: [(0, 0), (1, 0), (1, 1), (0, 1)],
    3: [(*corner, z) for z in (0, 1) for corner in [(0, 0), (1, 0), (1, 1), (0, 1)]],
}
INSTANTS = 50  # files of a run in time
SPARSE = 64  # places of a grid per point, from where on the points are no grid

Columns = Mapping[str, NDArray[Any]]


def space_of(domain: Domain) -> Domain:
    """The domain without time and parameters."""
    while isinstance(domain, Extended):
        domain = domain.base
    return domain


def write_vtu(path: Path, domain: Domain, columns: Columns, *, on_grid: bool) -> Path:
    """Write points and what is known at them.

    Args:
        path: Of the file, ``.vtu``; in time, the files of the instants lie in a folder of its name.
        domain: At most three coordinates in space.
        columns: (n,) each, the coordinates among them.
        on_grid: Whether the points are the domain's own grid, to be joined to cells and split into instants.

    Returns:
        The file to open: with instants a ``.pvd`` that lists them.
    """
    space = space_of(domain)
    others = domain.coordinates[len(space.bounds) :]
    if not on_grid:
        _write(path, space, columns, with_cells=False)
        return path
    for name in others:
        if name != "t":
            values = np.unique(columns[name])
            columns = _rows(columns, columns[name] == values[len(values) // 2])
    if "t" not in others:
        _write(path, space, columns, with_cells=True)
        return path
    return _write_instants(path, space, columns)


def _write_instants(path: Path, space: Domain, columns: Columns) -> Path:
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    times = np.unique(columns["t"])
    chosen = times[np.unique(np.linspace(0, len(times) - 1, min(len(times), INSTANTS)).round().astype(int))]
    lines = []
    for i, time in enumerate(chosen):
        name = f"{i:04}.vtu"
        _write(folder / name, space, _rows(columns, columns["t"] == time), with_cells=True)
        lines.append(f'<DataSet timestep="{float(time)!r}" part="0" file="{folder.name}/{name}"/>')
    begin, end = ['<VTKFile type="Collection" version="0.1">', "<Collection>"], ["</Collection>", "</VTKFile>"]
    listing = path.with_suffix(".pvd")
    listing.write_text("\n".join([*begin, *lines, *end]) + "\n", encoding="utf-8")
    return listing


def _write(path: Path, space: Domain, columns: Columns, *, with_cells: bool) -> None:
    import meshio

    points = np.stack([columns[name] for name in space.coordinates], axis=1)
    cells = grid_cells(points, space) if with_cells else np.empty((0, 0), dtype=int)
    kind = CELLS[points.shape[1]]
    if not len(cells):
        kind, cells = "vertex", np.arange(len(points))[:, None]
    flat = np.zeros((len(points), 3))
    flat[:, : points.shape[1]] = points
    data = {name: column for name, column in columns.items() if name not in space.coordinates}
    meshio.Mesh(flat, [(kind, cells)], point_data=data).write(path)


def _rows(columns: Columns, mask: NDArray[np.bool_]) -> Columns:
    return {name: column[mask] for name, column in columns.items()}


def grid_cells(points: NDArray[np.float64], space: Domain) -> NDArray[np.int64]:
    """The cells of a regular grid whose corners are all there and whose middle lies in the domain.

    Args:
        points: Those of the grid that the domain contains, (n, d).
        space: The domain.

    Returns:
        Rows of ``points`` by cell in the order of VTK, (c, 2^d); none where the points are no grid.
    """
    d = points.shape[1]
    axes = [np.unique(points[:, i]) for i in range(d)]
    shape = tuple(map(len, axes))
    if np.prod(shape, dtype=float) > SPARSE * len(points):
        return np.empty((0, 2**d), dtype=np.int64)
    rows = np.full(shape, -1, dtype=np.int64)
    rows[tuple(np.searchsorted(axis, points[:, i]) for i, axis in enumerate(axes))] = np.arange(len(points))
    corners = [rows[tuple(slice(c, n - 1 + c) for c, n in zip(corner, shape, strict=True))] for corner in CORNERS[d]]
    cells = np.stack([each.ravel() for each in corners], axis=1)
    cells = cells[(cells >= 0).all(axis=1)]
    return cells[space.contains(points[cells].mean(axis=1))] if len(cells) else cells
