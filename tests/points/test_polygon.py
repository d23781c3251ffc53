"""The polygon."""

import time
from math import pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import auto_cli
from numpy.testing import assert_allclose

from lightning_autobalance.points import Domain, Grid, Polygon, Sobol, Uniform, sample
from lightning_autobalance.points.polygon import _checked

TRIANGLE = [(0, 0), (4, 0), (0, 3)]
SQUARE = [(0, 0), (4, 0), (4, 3), (0, 3)]
HOLES = [[(3, 1), (3.5, 1), (3, 2)], [(1, 1), (2, 1), (2, 2), (1, 2)]]


def circle(x: float, y: float, radius: float, count: int = 20) -> list[tuple[float, float]]:
    angle = 2 * pi * np.arange(count) / count
    return list(zip(x + radius * np.cos(angle), y + radius * np.sin(angle), strict=True))


def test_names_and_measures() -> None:
    polygon = Polygon(TRIANGLE)
    assert polygon.coordinates == ("x", "y")
    assert polygon.bounds == ((0.0, 4.0), (0.0, 3.0))
    assert polygon.parts == ("interior", "boundary", "edge_0", "edge_1", "edge_2")
    assert [polygon.measure(part) for part in polygon.parts] == [6, 12, 4, 5, 3]
    assert polygon.faces("interior")[0].rate == 0.5


def test_holes_are_parts_in_the_order_of_their_places() -> None:
    polygon = Polygon(SQUARE, HOLES)
    assert polygon.parts[-4:] == ("outer", "hole", "hole_1", "hole_2")
    assert polygon.measure() == 12 - 1 - 0.25
    expected = {"outer": 14, "hole_1": 4, "hole_2": 1.5 + sqrt(1.25), "hole": 5.5 + sqrt(1.25)}
    assert_allclose([polygon.measure(part) for part in expected], list(expected.values()), rtol=1e-15)
    assert Polygon(SQUARE, HOLES[:1]).parts[-2:] == ("outer", "hole")


def test_midpoints_of_the_boundary_by_hand() -> None:
    found = sample(Polygon(TRIANGLE), "boundary", 6, Grid(), seed=0, draw=0)
    assert_allclose(found, [[1, 0], [3, 0], [3.2, 0.6], [1.6, 1.8], [0, 3], [0, 1]], atol=1e-14)


def test_named_edges() -> None:
    polygon = Polygon(TRIANGLE).named(edge_0="ground")
    assert polygon.parts == ("interior", "boundary", "edge_1", "edge_2", "ground")
    assert (sample(polygon, "ground", 50, Uniform(), 0, 0)[:, 1] == 0).all()
    x = torch.tensor([[4.0, 0.0]], dtype=torch.float64)
    assert polygon.normal(x, "ground").tolist() == [[0, -1]]
    assert_allclose(polygon.normal(x, "edge_1"), [[0.6, 0.8]])


def test_many_corners_are_no_parts() -> None:
    disk = Polygon(circle(0, 0, 1, 65))
    assert disk.parts == ("interior", "boundary")
    assert disk.measure() == pytest.approx(65 / 2 * np.sin(2 * pi / 65), rel=1e-13)


def test_the_edge_belongs_to_the_polygon() -> None:
    polygon = Polygon(SQUARE, HOLES)
    points = np.array([[4.0, 3.0], [2.0, 1.5], [1.5, 1.5], [4 + 1e-9, 1], [0.1, 0.1], [1.0, 1.0]])
    assert polygon.contains(points).tolist() == [True, True, False, False, True, True]


def test_the_direction_around_changes_nothing_but_the_order() -> None:
    ways = Polygon(SQUARE, HOLES), Polygon(SQUARE[::-1], [hole[::-1] for hole in HOLES])
    x = torch.from_numpy(sample(ways[0], "boundary", 200, Uniform(), 0, 0))
    assert ways[0].measure() == ways[1].measure()
    assert_allclose(ways[0].normal(x), ways[1].normal(x), atol=1e-14)
    y = x + 0.1
    assert_allclose(ways[0].distance(y), ways[1].distance(y), atol=1e-14)
    assert ways[0].contains((x - 1e-6 * ways[0].normal(x)).numpy()).all()


def test_a_closed_line_is_taken_as_such() -> None:
    assert Polygon([*TRIANGLE, TRIANGLE[0]]).parts == Polygon(TRIANGLE).parts


def test_holes_may_touch_the_outer_boundary_in_a_point() -> None:
    assert Polygon(SQUARE, [[(0, 1), (2, 1), (2, 2)]]).measure() == 11


def test_twenty_holes_take_less_than_a_second() -> None:
    holes = [circle(0.2 + 0.2 * (i % 5), 0.2 + 0.2 * (i // 5), 0.06) for i in range(20)]
    polygon = Polygon([(0, 0), (1.2, 0), (1.2, 1), (0, 1)], holes)
    start = time.process_time()
    found = sample(polygon, "interior", 100_000, Uniform(), 0, 0)
    assert time.process_time() - start < 1
    assert polygon.contains(found).all()
    assert len(sample(polygon, "boundary", 100_000, Sobol(), 0, 0)) == 100_000


@pytest.mark.parametrize(
    ("corners", "holes", "message"),
    [
        ([(0, 0), (1, 1), (1, 0), (0, 1)], [], r"edges meet in corners only, .*got Self-intersection\[0.5 0.5\] for P"),
        ([(0, 0), (1, 1), (2, 2)], [], "got zero area for Polygon"),
        ([(0, 0), (2, 0), (1, 0), (1, 1)], [], "got Self-intersection"),
        ([], [], "`corners` must be at least 3 different corners, got 0"),
        ([(0, 0), (1, 1), (0, 0)], [], "`corners` must be at least 3 different corners, got 2"),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], [], r"`corners` must differ from one to the next, got \(1, 0\) twice"),
        ([(0, 0), (1, 0), (0, float("nan"))], [], "`corners` must be finite numbers, got"),
        (SQUARE, [[(1, 1), (5, 1), (2, 2)]], "separate holes inside, got Self-intersection"),
        (SQUARE, [[(5, 5), (6, 5), (6, 6)]], "separate holes inside, got Hole lies outside shell"),
        (SQUARE, [HOLES[1], [(1.5, 1.5), (3, 1.5), (2, 2.5)]], "separate holes inside, got Self-intersection"),
        (SQUARE, [HOLES[1], [(1.2, 1.2), (1.8, 1.2), (1.8, 1.8)]], "separate holes inside, got"),
        (SQUARE, [[(0, 1), (4, 1), (2, 2)]], "separate holes inside, got Interior is disconnected"),
        (SQUARE, [[(0, 1), (2, 1), (0, 2)]], "separate holes inside, got Self-intersection"),
        (SQUARE, [[(1, 1)]], "`holes` must be at least 3 different corners, got 1"),
    ],
)
def test_what_is_no_polygon_is_refused_by_name(corners: Any, holes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Polygon(corners, holes)


def test_corners_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`corners` must be pairs of numbers \(x, y\), got \[\(0, 0, 0\)"):
        _checked("corners", [(0, 0, 0), (1, 0, 0), (0, 1, 0)])


def test_many_corners_are_written_in_short() -> None:
    assert repr(Polygon(TRIANGLE)) == "Polygon([(0, 0), (4, 0), (0, 3)])"
    assert repr(Polygon(SQUARE, HOLES)).endswith(
        ", holes=[[(3, 1), (3.5, 1), (3, 2)], [(1, 1), (2, 1), (2, 2), (1, 2)]])"
    )
    assert repr(Polygon(circle(0, 0, 1, 500))).endswith(", ...])")


# Config files -------------------------------------------------------------------------------------------------------


def taken(domain: Domain) -> Domain:
    return domain


def from_yaml(folder: Path, text: str) -> Any:
    (folder / "config.yaml").write_text(text)
    return auto_cli(taken, args=[f"--config={folder / 'config.yaml'}"])


@pytest.mark.parametrize("name", ["Polygon", "lightning_autobalance.Polygon", "lightning_autobalance.points.Polygon"])
def test_from_yaml(tmp_path: Path, name: str) -> None:
    text = """
domain:
  class_path: NAME
  init_args:
    corners: [[0, 0], [4, 0], [4, 3.0], [0, 3]]
    holes: [[[1, 1], [2, 1], [2, 2]]]
"""
    domain = from_yaml(tmp_path, text.replace("NAME", name))
    assert isinstance(domain, Polygon)
    assert domain.measure() == 11.5


def test_a_combination_from_yaml(tmp_path: Path) -> None:
    text = """
domain:
  class_path: lightning_autobalance.points.Combination
  init_args:
    operator: "-"
    a: {class_path: Rectangle, init_args: {x: [0, 2], y: [0, 1]}}
    b: {class_path: Disk, init_args: {center: [0.5, 0.5], radius: 0.2}}
"""
    assert from_yaml(tmp_path, text).measure() == pytest.approx(2 - 0.04 * pi, rel=1e-12)
