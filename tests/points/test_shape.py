"""Shapes joined, cut and subtracted."""

import copy
import pickle
import sys
from math import acos, pi, sqrt
from operator import and_, or_, sub
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from numpy.testing import assert_allclose
from scipy.stats import chi2

import lightning_autobalance.points as room
from helpers.domains import DRILLED, PLANAR, Ring
from lightning_autobalance.points import (
    Box,
    Combination,
    Disk,
    Ellipse,
    Grid,
    Interval,
    LatinHypercube,
    Polygon,
    Rectangle,
    Sampler,
    Shape,
    Sobol,
    TimeCylinder,
    Uniform,
    sample,
)

SQUARE = Rectangle((0, 1), (0, 1))
PLATE = PLANAR["plate"]
OBSTACLE = Rectangle((0, 4), (0, 2)) - (Rectangle((1, 2), (0.5, 1)) | Rectangle((2, 3), (0.5, 1.5)))  # an edge in it
SEAM = (SQUARE | Rectangle((1, 2), (0, 1))) - Rectangle((0.5, 1), (0.25, 0.75))
SHAPES: dict[str, Shape] = {
    **PLANAR,
    "obstacle": OBSTACLE,
    "seam": SEAM,
    "turned": Ellipse((1, 2), (0.5, 2), 0.4) - Ellipse((1, 2), (0.2, 0.4), 1.0),
    "lens": Disk() & Disk((1, 0), 1),
    "notch": Polygon([(0, 0), (4, 0), (2, 3)]) - Polygon([(1, 0), (3, 0), (2, 1)]),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
SAMPLERS: list[Sampler] = [Uniform(), Grid(), LatinHypercube(), Sobol()]


def tensor(shape: Shape, part: str, count: int = 2000) -> torch.Tensor:
    return torch.from_numpy(sample(shape, part, count, Uniform(), seed=0, draw=0))


def size(shape: Shape) -> float:
    return max(high - low for low, high in shape.bounds)


def assert_as_expected(found: np.ndarray, expected: np.ndarray) -> None:
    """Pearson's test at 1e-4; points that are spread more evenly than random ones pass, too."""
    within = expected > 5
    statistic = ((found - expected)[within] ** 2 / expected[within]).sum()
    assert statistic < chi2.ppf(1 - 1e-4, within.sum() - 1)


def cells(shape: Shape, points: np.ndarray) -> np.ndarray:
    low, high = np.array(shape.bounds).T
    scaled = (points - low) / (high - low)
    return np.histogram2d(*scaled.T, bins=8, range=[(0, 1), (0, 1)])[0].ravel()


# Points -------------------------------------------------------------------------------------------------------------


@shapes
def test_interior_points_are_uniform_by_area(shape: Shape) -> None:
    low, high = np.array(shape.bounds).T
    middles = (np.indices((400, 400)).reshape(2, -1).T + 0.5) / 400 * (high - low) + low
    share = cells(shape, middles[shape.contains(middles)])
    for sampler in SAMPLERS:
        assert_as_expected(cells(shape, sample(shape, "interior", 4096, sampler, 0, 0)), 4096 * share / share.sum())


@shapes
def test_boundary_points_are_uniform_by_length(shape: Shape) -> None:
    """Beside the outline's own lengths, which does not know the faces."""
    low, high = np.array(shape.bounds).T
    outline = shapely.segmentize(shapely.transform(shape.outline(), lambda xy: (xy - low) / max(high - low)), 0.5)
    rings = [outline.exterior, *outline.interiors]
    for sampler in SAMPLERS:
        points = shapely.points((sample(shape, "boundary", 4096, sampler, 0, 0) - low) / max(high - low))
        ring = np.stack([shapely.distance(line, points) for line in rings]).argmin(axis=0)
        for i, line in enumerate(rings):
            along = shapely.line_locate_point(line, points[ring == i], normalized=True)
            expected = 4096 * line.length / sum(line.length for line in rings) / 32
            assert_as_expected(np.histogram(along, bins=32, range=(0, 1))[0], np.full(32, expected))


@shapes
def test_points_of_the_boundary_lie_on_it(shape: Shape) -> None:
    for part in set(shape.parts) - {"interior"}:
        x = tensor(shape, part)
        assert shape.distance(x).abs().max() < 1e-13 * size(shape) + 1e-15 * np.abs(shape.bounds).max()
        assert shape.contains(x.numpy()).all()


@shapes
def test_normals_are_the_slope_of_the_distance(shape: Shape) -> None:
    for part in set(shape.parts) - {"interior"}:
        x = tensor(shape, part)
        step = 1e-5 * size(shape)
        ahead, behind = (shape.distance((x[:, None] + s * torch.eye(2)).flatten(0, 1)) for s in (step, -step))
        slope = ((ahead - behind) / (2 * step)).reshape(-1, 2)
        smooth = (slope.norm(dim=1) - 1).abs() < 1e-3  # elsewhere a corner is nearer than the step
        if "seam" not in str(shape) and shape is not SEAM and shape is not OBSTACLE:
            assert smooth.float().mean() > 0.99
            assert_allclose(shape.normal(x, part)[smooth], slope[smooth], atol=2e-3)


@shapes
def test_normals_point_out(shape: Shape) -> None:
    for part in set(shape.parts) - {"interior"}:
        x = tensor(shape, part)
        normal = shape.normal(x, part)
        assert_allclose(normal.norm(dim=1), 1, rtol=1e-12)
        step = 1e-5 * size(shape)
        out = shape.contains((x + step * normal).numpy())
        within = shape.contains((x - step * normal).numpy())
        assert (~out & within).mean() > 0.995  # all but those a step away from a corner


def test_a_boundary_without_rejection() -> None:
    assert all(face.rate == 1.0 for shape in SHAPES.values() for face in shape.faces("boundary"))


def test_points_where_edges_coincide() -> None:
    """An edge of a notch that is flush, and one within an obstacle, belong to nothing."""
    step = PLANAR["step"]
    beside, on = [[0.0, 0.25], [0.5, 0.0], [0.0, 0.0]], [[0.0, 0.5], [1.0, 0.0], [1.0, 0.25], [0.5, 0.5], [0.0, 0.75]]
    assert not step.contains(np.array(beside)).any()
    assert step.contains(np.array(on)).all()
    assert not OBSTACLE.contains(np.array([[2.0, 0.75], [2.0, 0.6]])).any()
    corner = (Rectangle((0, 2), (0, 1)) | Rectangle((0, 1), (1, 2))) & Rectangle((1, 2), (0, 2))
    assert_allclose(
        corner.contains(np.array([[1.0, 1.5], [1.0, 0.5], [1.0, 1.0], [2.0, 0.0]])), [False, True, True, True]
    )


# Measures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "area", "length"),
    [
        (PLATE, 2 - pi * 0.04, 6 + pi * 0.4),
        (PLANAR["step"], 3.5, 10.0),
        (SHAPES["lens"], 2 * pi / 3 - sqrt(3) / 2, 4 * pi / 3),
        (Disk() | Disk((1, 0), 1), 2 * pi - (2 * pi / 3 - sqrt(3) / 2), 8 * pi / 3),
        (Disk() - Rectangle((-2, 0), (-2, 2)), pi / 2, pi + 2),
        (SHAPES["notch"], 5.0, 2 * sqrt(13) + 2 + 2 * sqrt(2)),
        (OBSTACLE, 6.5, 18.0),
        (SEAM, 1.75, 8.0),
        (Ellipse((0, 0), (1000, 1)) - Rectangle((0, 2000), (-2, 2)), 500 * pi, None),
        (SQUARE | Rectangle((1, 2), (0, 1)), 2.0, 6.0),
        (Disk() & Disk(), pi, 2 * pi),
        (PLANAR["tiny_plate"], (2 - pi * 0.04) * 1e-12, (6 + pi * 0.4) * 1e-6),
        (Interval(0, 1) | Interval(0.5, 3), 3.0, 2),
        (Interval(0, 1) - Interval(0.25, 3), 0.25, 2),
    ],
    ids=str,
)
def test_areas_and_lengths_in_closed_form(shape: Shape, area: float, length: float | None) -> None:
    assert shape.measure() == pytest.approx(area, rel=1e-9)
    if length is not None:
        assert shape.measure("boundary") == pytest.approx(length, rel=1e-9)


def test_three_levels_in_closed_form() -> None:
    """The union of a rectangle and half a disk, less a disk, cut at the top and on the right."""
    half, top = 0.5 * 0.5 * acos(0.5) - 0.25 * sqrt(0.1875), 0.5 * 0.5 * acos(0.8) - 0.4 * 0.3  # segments of the disk
    shape = ((Rectangle((0, 2), (0, 1)) | Disk((2, 0.5), 0.5)) - Disk((0.5, 0.5), 0.2)) & Rectangle((-1, 2.25), (-1, 2))
    assert shape.measure() == pytest.approx(2 + pi / 8 - half - pi * 0.04, rel=1e-9)
    lower = shape & Rectangle((-1, 2), (0, 0.9))
    assert lower.measure() == pytest.approx(1.8 - pi * 0.04, rel=1e-9)
    assert (Rectangle((0, 4), (0, 0.9)) & Disk((2, 0.5), 0.5)).measure() == pytest.approx(pi / 4 - top, rel=1e-9)


def test_bounds_are_tight() -> None:
    assert (Disk() - Rectangle((-2, 0), (-2, 2))).bounds == ((0.0, 1.0), (-1.0, 1.0))
    assert PLATE.bounds == ((0.0, 2.0), (0.0, 1.0))
    assert_allclose(SHAPES["lens"].bounds, [(0, 1), (-sqrt(0.75), sqrt(0.75))], atol=1e-12)


# Three dimensions ---------------------------------------------------------------------------------------------------


def test_a_box_with_a_hole() -> None:
    assert DRILLED.parts == ("interior", "boundary", "left", "right", "y=0", "y=1", "z=0", "z=1", "hole")
    assert DRILLED.measure() == pytest.approx(1 - 0.0625, rel=0.01)
    assert DRILLED.measure("z=0") == pytest.approx(1 - 0.0625, rel=0.01)
    assert DRILLED.measure("hole") == pytest.approx(1.0, rel=0.02)
    assert all(0 < face.rate < 1 for face in DRILLED.faces("boundary"))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
def test_boundary_points_of_a_box_with_a_hole_are_uniform_by_area(sampler: Sampler) -> None:
    x = sample(DRILLED, "boundary", 8000, sampler, 0, 0)
    ends = ((x[:, 2] == 0) | (x[:, 2] == 1)).sum()
    around = ((x[:, :2] == 0) | (x[:, :2] == 1)).any(axis=1).sum()
    expected = 8000 * np.array([2 * (1 - 0.0625), 4, 1]) / (6 + 1 - 0.125)
    assert_allclose([ends, around, 8000 - ends - around], expected, atol=200)
    normal = DRILLED.normal(torch.from_numpy(x)).numpy()
    assert not DRILLED.contains(x + 1e-6 * normal).any()
    assert DRILLED.contains(x - 1e-6 * normal).all()


# Parts --------------------------------------------------------------------------------------------------------------


def test_what_is_left_of_parts_keeps_its_name() -> None:
    assert PLATE.parts == ("interior", "boundary", "left", "right", "bottom", "top", "cylinder", "outer", "hole")
    assert PLANAR["step"].measure("left") == pytest.approx(0.5)
    both = SQUARE.named(left="inlet") | Rectangle((1, 2), (0, 1))
    assert both.parts == ("interior", "boundary", "right", "bottom", "top", "inlet")
    assert both.measure("bottom") == pytest.approx(2)
    assert (both - Disk((1, 0.5), 0.1)).measure("inlet") == 1.0
    assert "right" not in (Disk() - Rectangle((-2, 0), (-2, 2))).parts
    assert PLATE.named(cylinder="wall").parts[-1] == "wall"


def test_holes_are_numbered_by_place() -> None:
    shape = Rectangle((0, 4), (0, 4)) - Disk((3, 1), 0.2) - Disk((1, 3), 0.3) - Disk((1, 1), 0.4)
    radii = {f"hole_{i}": r for i, r in enumerate((0.4, 0.3, 0.2), 1)}
    assert [part for part in shape.parts if part.startswith("hole")] == ["hole", *radii]
    for name, radius in radii.items():
        assert shape.measure(name) == pytest.approx(2 * pi * radius, rel=1e-9)
    assert shape.measure("hole") == pytest.approx(1.8 * pi, rel=1e-9)
    assert shape.measure("outer") == pytest.approx(16)


def test_added_parts_stay_where_they_lie_within() -> None:
    square = SQUARE.with_part("sensor", (0.9, 0.9)).with_part("inner", (0.5, 0.5))
    assert (square - Disk((0.5, 0.5), 0.2)).parts[-1] == "sensor"


def test_time_comes_after() -> None:
    with pytest.raises(TypeError, match="`-` must have a shape on both sides, got TimeCylinder"):
        SQUARE - TimeCylinder(Disk(), (0, 1))  # type: ignore[operator]
    with pytest.raises(TypeError, match=r"`-` must have a shape .*, got TimeCylinder. Combine shapes in space first"):
        TimeCylinder(SQUARE, (0, 1)) - Disk()  # type: ignore[operator]
    with pytest.raises(TypeError, match="unsupported operand"):
        SQUARE | 3  # type: ignore[operator]


@pytest.mark.parametrize("operator", [or_, and_, sub])
def test_a_domain_of_ones_own_must_be_a_shape(operator: Any) -> None:
    for pair in ((Ring(), SQUARE), (SQUARE, Ring())):
        with pytest.raises(
            TypeError, match=r"got Ring. A domain of your own needs `distance`, and `Shape` as its base"
        ):
            operator(*pair)


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SQUARE & Rectangle((2, 3), (0, 1)), r"`&` must have two shapes that overlap, got no overlap for Rect"),
        (lambda: SQUARE - Disk((5, 5), 1), r"`-` must have two shapes that overlap, got no overlap for Rectangle"),
        (lambda: SQUARE - Rectangle((1, 2), (0, 1)), r"`-` must have two shapes that overlap"),
        (lambda: Disk() & Rectangle((0.8, 1), (0.8, 1)), r"`&` must have two shapes that overlap"),
        (lambda: SQUARE - Rectangle((-1, 2), (-1, 2)), r"`-` must leave something, got nothing for Rectangle"),
        (lambda: Disk() - Disk(), r"`-` must leave something, got nothing"),
        (lambda: SQUARE | Rectangle((2, 3), (0, 1)), r"`\|` must give one connected shape, got 2 pieces for Rectangle"),
        (lambda: SQUARE | Rectangle((1, 2), (1, 2)), r"`\|` must give one connected .* share more than a point"),
        (lambda: Disk() | Disk((2, 0), 1), r"`\|` must give one connected shape, got 2 pieces for Disk"),
        (lambda: Rectangle((0, 3), (0, 1)) - Rectangle((1, 2), (-1, 2)), r"`-` must give one connected shape, got 2"),
        (lambda: SQUARE - Disk((0.5, 0.5), 0.5), r"`-` must give one connected shape, got 4 pieces"),
        (lambda: SQUARE - Rectangle((0.1, 0.9), (1e-9, 0.9)), r"`-` must give a shape without parts too thin"),
        (lambda: SQUARE & Interval(0, 1), r"`&` must have shapes with the same coordinates, got \('x', 'y'\) and"),
        (lambda: Interval(0, 1) | Interval(2, 3), r"`\|` must give one interval, got 4 ends"),
        (lambda: Interval(0, 3) - Interval(1, 2), r"`-` must give one interval, got 4 ends"),
        (lambda: Interval(0, 1) - Interval(-1, 2), r"`-` must leave something, got nothing for Interval"),
        (lambda: Box(*[(0, 1)] * 3) - Box(*[(2, 3)] * 3), r"`-` must have two shapes that overlap"),
        (lambda: Box(*[(0, 1)] * 3) - Box(*[(-1, 2)] * 3), r"`-` must leave something, got nothing for Box"),
        (lambda: Combination("+", SQUARE, Disk()), r'`operator` must be "\|", "&" or "-", got \'\+\''),
    ],
)
def test_what_gives_no_single_shape_is_refused_by_name(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_shapely_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shapely", None)
    for ask in (lambda: SQUARE - Disk(), SQUARE.outline, Disk().outline):
        with pytest.raises(ModuleNotFoundError, match=r"`shapely` must be .*lightning-autobalance\[geometry\]"):
            ask()
    box = Box((0, 1), (0, 1), (0, 1)) - Box((0.5, 2), (0.5, 2), (0.5, 2))  # three dimensions go without
    assert box.measure() == pytest.approx(0.875, rel=0.01)


# Tensors and copies -------------------------------------------------------------------------------------------------


@shapes
def test_the_distance_in_float32(shape: Shape) -> None:
    x = tensor(shape, "interior", 100)
    if np.abs(shape.bounds).max() < 1e3 * size(shape):  # far from the origin float32 has no digits left
        assert_allclose(shape.distance(x.float()), shape.distance(x), atol=3e-6 * size(shape))
        assert shape.normal(x.float()).dtype == torch.float32


@shapes
def test_the_distance_can_be_differentiated(shape: Shape) -> None:
    x = torch.cat([tensor(shape, "interior", 200), tensor(shape, "boundary", 200)]).requires_grad_()
    (slope,) = torch.autograd.grad(shape.distance(x).sum(), x)
    assert torch.isfinite(slope).all()
    assert_allclose(slope[:200].norm(dim=1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", ["nested", "turned", "polygon_with_hole", "far_polygon", "tiny_plate"])
def test_what_is_written_gives_the_shape(name: str) -> None:
    shape = SHAPES[name]
    twin = eval(repr(shape), vars(room).copy())
    assert repr(twin) == repr(shape)
    assert twin.parts == shape.parts
    assert torch.equal(tensor(twin, "boundary", 50), tensor(shape, "boundary", 50))


def test_given_names_are_written() -> None:
    shape = (SQUARE - Disk((0.5, 0.5), 0.1).named("wall")).named(wall="pipe", left="inlet")
    assert str(shape).endswith("- Disk((0.5, 0.5), 0.1).named('wall')).named(wall='pipe', left='inlet')")
    assert eval(repr(shape), vars(room).copy()).parts == shape.parts


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))], ids=["deepcopy", "pickle"])
def test_copies_can_be_combined_further(copied: Any) -> None:
    twin = copied(SHAPES["nested"]) - Disk((1.2, 0.4), 0.1)
    assert twin.measure() == pytest.approx(SHAPES["nested"].measure() - pi * 0.01, rel=1e-9)
