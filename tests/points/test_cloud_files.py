"""Clouds of points from files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightning_autobalance.points import PointCloud, Uniform, sample
from lightning_autobalance.points.cloud_files import read_cloud

INSIDE, WALL, NORMALS = np.array([[0.5, 0.5], [0.25, 0.5]]), np.array([[0.0, 1.0]]), np.array([[-1.0, 0.0]])
CSV = """x,y,part,nx,ny,u
0.5,0.5,interior,,,3
0,1,wall,-1,0,4

0.25,0.5,interior,,,5
"""


def written(folder: Path, name: str, text: str = "", **arrays: Any) -> Path:
    path = folder / name
    if arrays:
        np.savez(path, **arrays)
    else:
        path.write_text(text)
    return path


def test_both_formats_give_the_same_cloud(tmp_path: Path) -> None:
    arrays = written(tmp_path, "c.npz", interior=INSIDE, wall=WALL, wall_normals=NORMALS)
    for path in (arrays, written(tmp_path, "c.csv", CSV)):
        found = read_cloud(path)
        assert list(found.points) == ["interior", "wall"]
        assert_array_equal(found.points["interior"], INSIDE)
        assert_array_equal(found.points["wall"], WALL)
        assert list(found.normals) == ["wall"]
        assert_array_equal(found.normals["wall"], NORMALS)
        cloud = PointCloud.from_file(str(path))
        assert cloud.parts == ("interior", "boundary", "wall")
        assert sample(cloud, "wall", 1, Uniform(), 0, 0).tolist() == [[0.0, 1.0]]


def test_coordinates_of_a_csv_file(tmp_path: Path) -> None:
    path = written(tmp_path, "c.csv", "t,r, x,part,nx\n1,2,3,interior,\n4,5,6,wall,2\n")
    assert read_cloud(path).coordinates == ("x", "t")
    assert read_cloud(path, "rt").points["wall"].tolist() == [[5, 4]]
    cloud = PointCloud.from_file(path)
    assert cloud.coordinates == ("x", "t")
    assert_allclose(cloud._normals["wall"], [[1, 0]])  # time has no column: 0
    assert PointCloud.from_file(path, coordinates=["r"]).bounds == ((2.0, 5.0),)


def test_a_csv_file_without_parts_is_interior(tmp_path: Path) -> None:
    assert PointCloud.from_file(written(tmp_path, "c.csv", "x\n1\n2\n")).parts == ("interior",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"its header must have a column per coordinate, \['x'\] among them, got \[\]"),
        ("a,b\n1,2\n", "its header must have a column per coordinate"),
        ("x,y\n1,2\n1,2,3\n", "its rows must have 2 columns, got another number in row 3"),
        ("x,y\n1,2\n1,two\n", "its column y must be numbers, got 'two' in row 3"),
        ("x,y\n1,\n", "its column y must be numbers, got '' in row 2"),
        ("x,y\n1,2\n1,nan\n", r"`points` of 'interior' must be finite, got 1 row\(s\) that are not, first 1"),
        ("x,part\n1,interior\n2,\n", "its column part must have a name in every row, got none in row 3"),
        ("x,part\n1,wall\n", r"`path` must have a part 'interior', got .* with parts \['wall'\]"),
        ("x,part\n1,interior\n1,my wall\n", "`parts` must have names that are words"),
        ("x,part,nx\n1,interior,\n2,wall,1\n3,wall,\n", "`normals` of 'wall' must be finite, got 1 row"),
        ("x\n", r"`path` must have a part 'interior', got .* with parts \[\]"),
    ],
)
def test_bad_csv_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        PointCloud.from_file(written(tmp_path, "c.csv", text))
    assert "c.csv" in str(error.value)


def test_bad_arrays_are_named(tmp_path: Path) -> None:
    for arrays, message in (
        ({"wall": WALL}, "`path` must have a part 'interior'"),
        ({"interior": INSIDE, "wall": np.zeros((1, 3))}, r"npz': `points` of 'wall' must have shape \(n, 2\)"),
        ({"interior": INSIDE, "wal_normals": NORMALS}, "npz': `normals` must be of parts, interior, got 'wal'"),
        ({"interior": np.array([{}])}, "npz': Object arrays cannot be loaded"),
    ):
        with pytest.raises(ValueError, match=message):
            PointCloud.from_file(written(tmp_path, "c.npz", **arrays))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(FileNotFoundError, match="`path` must be a file with points, found none at"):
            PointCloud.from_file(path)


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a column per coordinate, \['r'\] among them, got \['x'\]"):
        read_cloud(written(tmp_path, "c.csv", "x\n1\n"), coordinates="xr")


def test_numbers_of_parts_are_for_meshes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`names` must be left out for \.csv files"):
        read_cloud(written(tmp_path, "c.csv", CSV), names={1: "interior"})


@pytest.mark.parametrize("name", ["c.npz", "c.vtu", "c.abc"])
def test_a_file_that_is_none_of_these_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"`path` must be a cloud of points, got .*{name}"):
        read_cloud(written(tmp_path, name, "nonsense"))


def test_a_damaged_archive_and_a_single_array_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "c.npz", interior=INSIDE)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"`path` must be a cloud of points, got .*npz': File is not a zip"):
        read_cloud(path)
    with path.open("wb") as file:
        np.save(file, INSIDE)
    with pytest.raises(ValueError, match=r"npz': it must have an array per part, by `numpy.savez`, got a single"):
        read_cloud(path)
