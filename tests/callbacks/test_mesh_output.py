"""Meshes of a grid: cells where the domain is, and nowhere else."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.domains import CLOUD, DRILLED, Ring
from lightning_autobalance.callbacks.mesh_output import INSTANTS, grid_cells, space_of, write_vtu
from lightning_autobalance.points import Disk, Domain, Interval, ParameterRange, Rectangle, TimeCylinder

meshio = pytest.importorskip("meshio")
HOLED = Rectangle((0, 1), (0, 1)) - Disk((0.5, 0.5), 0.2)


def columns_of(domain: Domain, points: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    columns = {name: points[:, i].copy() for i, name in enumerate(domain.coordinates)}
    return columns | {"u": points.sum(axis=1)}


def written(domain: Domain, count: int, folder: Path, on_grid: bool = True) -> Path:
    return write_vtu(folder / "found.vtu", domain, columns_of(domain, domain.grid(count)), on_grid=on_grid)


def areas(points: NDArray[np.float64], quads: NDArray[np.int64]) -> NDArray[np.float64]:
    """Signed: positive where corners go around counterclockwise."""
    corners = points[quads]
    after = np.roll(corners, -1, axis=1)
    return (corners[..., 0] * after[..., 1] - corners[..., 1] * after[..., 0]).sum(axis=1) / 2


def test_a_square_is_filled(tmp_path: Path) -> None:
    mesh = meshio.read(written(Rectangle((0, 2), (0, 1)), 30, tmp_path))
    (block,) = mesh.cells
    assert block.type == "quad"
    assert (areas(mesh.points, block.data) > 0).all()
    assert areas(mesh.points, block.data).sum() == pytest.approx(2)
    np.testing.assert_array_equal(mesh.point_data["u"], mesh.points.sum(axis=1))


@pytest.mark.parametrize(("domain", "measure"), [(HOLED, 1 - 0.04 * np.pi), (Ring(), 0.75 * np.pi)])
def test_a_hole_stays_a_hole(domain: Domain, measure: float, tmp_path: Path) -> None:
    mesh = meshio.read(written(domain, 40_000, tmp_path))
    (block,) = mesh.cells
    area = areas(mesh.points, block.data).sum()
    assert 0.95 * measure < area < measure
    assert domain.contains(mesh.points[block.data][..., :2].mean(axis=1)).all()
    assert len(np.unique(block.data)) > 0.99 * len(mesh.points)


def test_a_hole_within_one_cell_is_left_out() -> None:
    pierced = Rectangle((0, 1), (0, 1)) - Disk((0.25, 0.25), 0.1)
    points = pierced.grid(9)
    assert len(points) == 9
    assert len(grid_cells(points, pierced)) == 3


def test_one_and_three_dimensions(tmp_path: Path) -> None:
    line = meshio.read(written(Interval(0.0, 1.0), 5, tmp_path))
    assert line.cells[0].data.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    (block,) = meshio.read(written(DRILLED, 729, tmp_path)).cells
    points = DRILLED.grid(729)
    assert block.type == "hexahedron"
    assert DRILLED.contains(points[block.data].mean(axis=1)).all()
    first = points[block.data[0]] * 8  # the corners in VTK's order: around below, then around above
    assert first.tolist() == [[x, y, z] for z in (0, 1) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]


def test_time_gives_a_list_of_instants(tmp_path: Path) -> None:
    domain = TimeCylinder(HOLED, (1.0, 3.0))
    listing = written(domain, 8000, tmp_path)
    found = re.findall(r'timestep="([\d.]+)" part="0" file="(.+?)"', listing.read_text())
    times = np.linspace(1, 3, 20)
    assert listing.name == "found.pvd"
    np.testing.assert_allclose([float(time) for time, _ in found], times)
    for time, name in found:
        mesh = meshio.read(tmp_path / name)
        assert set(mesh.point_data["t"]) == {float(time)}
        np.testing.assert_allclose(mesh.point_data["u"], mesh.points.sum(axis=1) + float(time))
        assert mesh.cells[0].type == "quad"


def test_long_times_are_thinned_with_both_ends(tmp_path: Path) -> None:
    text = written(TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)), 90_000, tmp_path).read_text()
    assert text.count("<DataSet") == INSTANTS
    assert 'timestep="0.0"' in text
    assert 'timestep="1.0"' in text


def test_parameters_are_at_the_middle(tmp_path: Path) -> None:
    domain = Rectangle((0, 1), (0, 1)) * ParameterRange("nu", 0.0, 1.0) * ParameterRange("k", 1.0, 3.0)
    mesh = meshio.read(written(domain, 625, tmp_path))
    assert set(mesh.point_data["nu"]) == {0.5}
    assert set(mesh.point_data["k"]) == {2.0}
    assert len(mesh.points) == 25


def test_points_of_a_file_have_no_cells_and_keep_their_times(tmp_path: Path) -> None:
    mesh = meshio.read(written(TimeCylinder(HOLED, (0.0, 1.0)), 100, tmp_path, on_grid=False))
    assert [block.type for block in mesh.cells] == ["vertex"]
    assert len(np.unique(mesh.point_data["t"])) == 5


def test_points_that_are_no_grid_have_no_cells() -> None:
    points = np.random.default_rng(0).random((500, 2))
    assert grid_cells(points, Rectangle((0, 1), (0, 1))).shape == (0, 4)
    assert len(grid_cells(CLOUD.grid(10_000), CLOUD)) == 0  # nothing is known between its points


def test_space_is_what_time_and_parameters_are_added_to() -> None:
    assert space_of(TimeCylinder(HOLED, (0.0, 1.0)) * ParameterRange("nu", 0.0, 1.0)) is HOLED
