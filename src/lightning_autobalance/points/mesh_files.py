"""Points of meshes, by meshio."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_autobalance.points.rounding import Array

SIDES = {  # corners of the sides of a cell
    "line": [[0], [1]],
    "triangle": [[0, 1], [1, 2], [2, 0]],
    "quad": [[0, 1], [1, 2], [2, 3], [3, 0]],
    "tetra": [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]],
    "hexahedron": [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]],
}
DIMENSIONS = {"line": 1, "triangle": 2, "quad": 2, "tetra": 3, "hexahedron": 3}


def read_mesh(file: Path, d: int | None, names: Mapping[int, str] | None) -> tuple[dict[str, Array], dict[str, Array]]:
    """Nodes by part, and their normals where the mesh has some.

    Args:
        file: Any that meshio reads.
        d: Number of coordinates; those after must be 0. By default all but those that are 0 everywhere at the end.
        names: Names of the parts by their number in the point data ``part``; without, the sides decide.

    Raises:
        ImportError: If meshio is not installed.
        ValueError: If it is no mesh, or has no such data.
    """
    try:
        import meshio
    except ImportError as error:
        raise ImportError(
            "`path` of a mesh needs meshio, got none: install it with `pip install lightning-autobalance[geometry]`."
        ) from error
    try:
        mesh = meshio.read(file)
    except (Exception, SystemExit) as error:  # of each format its own; meshio exits where it knows none
        raise ValueError(f"meshio cannot read it: {error or 'its format is not known'}.") from error
    points = _flattened(np.asarray(mesh.points, dtype=np.float64), d)
    masks = _by_sides(mesh, len(points)) if names is None else _by_number(mesh, names)
    normals = {}
    if "normals" in mesh.point_data:
        found = np.asarray(mesh.point_data["normals"], dtype=np.float64)[:, : points.shape[1]]
        normals = {part: found[mask] for part, mask in masks.items() if found[mask].any()}
    return {part: points[mask] for part, mask in masks.items()}, normals


def _flattened(points: Array, d: int | None) -> Array:
    used = 1 + int(np.flatnonzero(points.any(axis=0)).max(initial=0))
    if d is not None and used > d:
        raise ValueError(f"it must have {d} coordinates, got {used} that are not 0.")
    return points[:, : d or used]


def _by_number(mesh: Any, names: Mapping[int, str]) -> dict[str, NDArray[np.bool_]]:
    if "part" not in mesh.point_data:
        raise ValueError(f"it must have point data 'part' to give `names` to, got {sorted(mesh.point_data)}.")
    numbers = np.asarray(mesh.point_data["part"]).reshape(-1)
    unknown = sorted(set(numbers.tolist()) - set(names))
    absent = [name for number, name in names.items() if number not in numbers]
    if unknown or absent:
        raise ValueError(
            f"`names` must name every number of the point data 'part' and no other, got none for {unknown}, and no "
            f"points of {absent}."
        )
    groups: dict[str, list[int]] = {}
    for number, name in names.items():  # several numbers may be one part
        groups.setdefault(name, []).append(number)
    return {name: np.isin(numbers, own) for name, own in groups.items()}


def _by_sides(mesh: Any, count: int) -> dict[str, NDArray[np.bool_]]:
    kinds = {block.type for block in mesh.cells} - {"vertex"}
    if not kinds or kinds - SIDES.keys():
        raise ValueError(f"it must have cells of {', '.join(SIDES)}, or `names` of its parts, got {sorted(kinds)}.")
    top = max(DIMENSIONS[kind] for kind in kinds)
    cells = [block for block in mesh.cells if DIMENSIONS.get(block.type) == top]
    edge = np.zeros(count, dtype=bool)
    for size in {len(side) for block in cells for side in SIDES[block.type]}:
        corners = [(block.data, side) for block in cells for side in SIDES[block.type] if len(side) == size]
        sides = np.sort(np.concatenate([np.asarray(data)[:, side] for data, side in corners]), axis=1)
        single, times = np.unique(sides, axis=0, return_counts=True)
        edge[single[times == 1]] = True
    used = np.zeros(count, dtype=bool)
    for block in cells:
        used[np.asarray(block.data)] = True
    return {part: mask for part, mask in {"interior": used & ~edge, "boundary": edge}.items() if mask.any()}
