"""Points of meshes."""

import sys
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightning_autobalance.points import PointCloud, Uniform, sample
from lightning_autobalance.points.mesh_files import read_mesh

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 0]], dtype=float)
FANS = [("triangle", np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]))]
NUMBERS = np.array([2, 2, 3, 3, 1])
NAMES = {1: "interior", 2: "floor", 3: "lid"}


def mesh(folder: Path, name: str = "m.vtu", points: Any = SQUARE, cells: Any = FANS, **data: Any) -> Path:
    meshio.Mesh(points, cells, point_data=data).write(folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["m.vtu", "m.vtk"])
def test_sides_of_a_single_cell_are_the_boundary(tmp_path: Path, name: str) -> None:
    cloud = PointCloud.from_file(mesh(tmp_path, name))
    assert cloud.coordinates == ("x", "y")  # z is 0 everywhere
    assert sample(cloud, "interior", 1, Uniform(), 0, 0).tolist() == [[0.5, 0.5]]
    assert sorted(sample(cloud, "boundary", 4, Uniform(), 0, 0).tolist()) == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_a_hole_has_a_boundary(tmp_path: Path) -> None:
    x = np.array([[i, j, 0] for i in range(4) for j in range(4)], dtype=float)
    quads = [[4 * i + j, 4 * i + j + 1, 4 * i + j + 5, 4 * i + j + 4] for i in range(3) for j in range(3)]
    points, _ = read_mesh(mesh(tmp_path, points=x, cells=[("quad", np.array(quads))]), None, None)
    assert sorted(points["interior"].tolist()) == [[1, 1], [1, 2], [2, 1], [2, 2]]
    quads.pop(4)
    points, _ = read_mesh(mesh(tmp_path, points=x, cells=[("quad", np.array(quads))]), None, None)
    assert list(points) == ["boundary"]
    assert len(points["boundary"]) == 16


def test_cells_of_three_dimensions(tmp_path: Path) -> None:
    n = 4
    x = np.array([[i, j, k] for i in range(n) for j in range(n) for k in range(n)], dtype=float)
    corner = [n * n * i + n * j + k for i in range(n - 1) for j in range(n - 1) for k in range(n - 1)]
    cube = np.array([0, n * n, n * n + n, n, 1, n * n + 1, n * n + n + 1, n + 1])
    cells = [("hexahedron", np.array(corner)[:, None] + cube), ("line", np.array([[21, 22]]))]
    points, _ = read_mesh(mesh(tmp_path, points=x, cells=cells), None, None)
    assert len(points["interior"]) == 8
    assert len(points["boundary"]) == 56
    lone = [("tetra", np.array([[0, 1, 4, 16]]))]
    assert len(read_mesh(mesh(tmp_path, points=x, cells=lone), None, None)[0]["boundary"]) == 4  # others: in no cell


def test_parts_by_number_and_normals(tmp_path: Path) -> None:
    normals = np.array([[0, -1, 0]] * 2 + [[0, 3, 0]] * 2 + [[0, 0, 0]], dtype=float)
    cloud = PointCloud.from_file(mesh(tmp_path, part=NUMBERS, normals=normals), names=NAMES)
    assert cloud.parts == ("interior", "boundary", "floor", "lid")
    assert sorted(sample(cloud, "lid", 2, Uniform(), 0, 0).tolist()) == [[0, 1], [1, 1]]
    assert_allclose(cloud._normals["lid"], [[0, 1]] * 2)
    points, _ = read_mesh(mesh(tmp_path, part=NUMBERS), None, {1: "interior", 2: "wall", 3: "wall"})
    assert len(points["wall"]) == 4


@pytest.mark.parametrize(
    ("data", "names", "message"),
    [
        ({}, NAMES, r"it must have point data 'part' to give `names` to, got \[\]"),
        ({"part": NUMBERS}, {1: "interior", 2: "floor"}, r"`names` must name every number .* got none for \[3\]"),
        ({"part": NUMBERS}, {**NAMES, 4: "roof"}, r"`names` must name every number .* no points of \['roof'\]"),
    ],
)
def test_wrong_parts_are_named(tmp_path: Path, data: Any, names: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointCloud.from_file(mesh(tmp_path, **data), names=names)


def test_coordinates_that_are_asked_for(tmp_path: Path) -> None:
    assert PointCloud.from_file(mesh(tmp_path), "xyz").bounds[2] == (0.0, 0.0)
    with pytest.raises(ValueError, match="it must have 1 coordinates, got 2 that are not 0"):
        PointCloud.from_file(mesh(tmp_path), "x")


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([("vertex", np.array([[0]]))], r"\[\]"),
        ([*FANS, ("polygon", np.array([[0, 1, 2, 3, 4]]))], r"\['polygon', 'triangle'\]"),  # whose sides are not known
    ],
)
def test_cells_whose_sides_are_not_known_are_refused(tmp_path: Path, cells: Any, found: str) -> None:
    path = mesh(tmp_path, "m.vtk", cells=cells)
    with pytest.raises(ValueError, match=rf"it must have cells of line, .* or `names` of its parts, got {found}"):
        PointCloud.from_file(path)


def test_without_meshio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mesh(tmp_path)
    monkeypatch.setitem(sys.modules, "meshio", None)
    with pytest.raises(ImportError, match=r"`path` of a mesh needs meshio.* lightning-autobalance\[geometry\]"):
        PointCloud.from_file(path)
