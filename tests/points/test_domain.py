"""What holds for every domain."""

import copy
import pickle
from itertools import product
from math import pi
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from helpers.domains import DOMAINS
from lightning_autobalance import points as room
from lightning_autobalance.points import (
    Disk,
    Domain,
    Extended,
    Face,
    Interval,
    LatinHypercube,
    PointCloud,
    Rectangle,
    Shape,
    TimeCylinder,
    Uniform,
    most_points,
    rounded_inside,
    sample,
)
from lightning_autobalance.points.face import accepted

domains = pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)


def test_every_domain_is_tested() -> None:
    kinds = [kind for kind in vars(room).values() if isinstance(kind, type) and issubclass(kind, Domain)]
    assert {type(domain) for domain in DOMAINS.values()} >= set(kinds) - {Domain, Shape, Extended}


@domains
def test_points_of_every_part_lie_in_the_domain(domain: Domain) -> None:
    for part in domain.parts:
        count = int(min(997, most_points(domain, part)))
        found = sample(domain, part, count, Uniform(), seed=0, draw=0)
        assert found.shape == (count, len(domain.coordinates)), part
        assert found.dtype == np.float64, part
        assert domain.contains(found).all(), part


@domains
def test_points_beside_the_domain_are_outside(domain: Domain) -> None:
    low, high = np.array(domain.bounds).T
    size = high - low
    for i, end in product(range(len(size)), (-0.501, 0.501)):
        beside = (low + high) / 2
        beside[i] += end * size[i]
        assert not domain.contains(beside[None]).any()


@domains
def test_unit_cubes_are_placed_whole(domain: Domain) -> None:
    """The corners of a face's cube are in the domain too."""
    for face in (face for part in domain.parts for face in domain.faces(part)):
        corners = np.array(list(product((0.0, 1.0), repeat=face.dim))).reshape(2**face.dim, face.dim)
        placed = face.points(torch.from_numpy(corners))
        assert domain.contains(placed[accepted(placed)].numpy()).all(), face


@domains
def test_the_grid_reaches_the_bounding_box(domain: Domain) -> None:
    d = len(domain.bounds)
    found = domain.grid(10**4 if isinstance(domain, PointCloud) else 9**d)
    assert found.dtype == np.float64
    assert domain.contains(found).all()
    assert_array_equal(found.min(axis=0), [low for low, _ in domain.bounds])
    assert_array_equal(found.max(axis=0), [high for _, high in domain.bounds])


def test_the_grid_of_a_rectangle_by_hand() -> None:
    expected = [[0, 0], [0, 1], [0, 2], [2, 0], [2, 1], [2, 2], [4, 0], [4, 1], [4, 2]]
    assert_array_equal(Rectangle((0.0, 4.0), (0.0, 2.0)).grid(9), expected)


@pytest.mark.parametrize(
    ("domain", "count", "expected"),
    [
        ("rectangle", 90_000, 300**2),
        ("interval", 300, 300),
        ("box", 1000, 10**3),
        ("heat", 95, 10**2),
        ("box", 1, 2**3),
    ],
)
def test_the_size_of_the_grid(domain: str, count: int, expected: int) -> None:
    assert len(DOMAINS[domain].grid(count)) == expected


def test_the_grid_leaves_out_what_is_outside() -> None:
    assert_array_equal(Disk().grid(9), [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]])
    assert len(Disk().grid(90_000)) / 90_000 == pytest.approx(np.pi / 4, rel=0.01)


@pytest.mark.parametrize("count", [0, -3])
def test_a_grid_without_points_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"`count` must be >= 1, got {count}"):
        Interval(0.0, 1.0).grid(count)


def test_a_grid_wholly_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="`count` must put points into the domain, got 4, none inside"):
        Disk().grid(4)


@pytest.mark.parametrize(
    ("part", "hint"), [("boundry", r" Did you mean 'boundary'\?"), ("initial", r"$")], ids=["typo", "missing"]
)
def test_an_unknown_part_lists_the_known(part: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"`part` must be one of interior, boundary, left, right, got '{part}'.{hint}"):
        Interval(0.0, 1.0).faces(part)


def test_a_name_for_two_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="`named` must give each name once, got 'wall' twice"):
        Interval(0.0, 1.0).named(left="wall", right="wall")
    with pytest.raises(ValueError, match="`named` must give each name once, got 'wall' twice"):
        Interval(0.0, 1.0).named("wall", right="wall")


@domains
def test_copies_draw_the_same_points(domain: Domain) -> None:
    copied, pickled = copy.deepcopy(domain), pickle.loads(pickle.dumps(domain))
    assert copied is not domain
    for part in domain.parts:
        draws = [sample(d, part, 10, LatinHypercube(), seed=1, draw=2) for d in (domain, copied, pickled)]
        assert_array_equal(draws[0], draws[1], err_msg=part)
        assert_array_equal(draws[0], draws[2], err_msg=part)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (lambda unit: unit.numpy(), "ndarray"),
        (lambda unit: unit[:, 0], r"\(4,\)"),
        (lambda unit: unit[:1], r"\(1, 1\)"),
    ],
)
def test_a_face_that_gives_no_points_is_named(place: Any, found: str) -> None:
    class Own(Interval):
        def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
            return {"interior": (Face(1, place),), "boundary": super().faces_by_part()["boundary"]}

    domains = Own(0.0, 1.0), TimeCylinder(Own(0.0, 1.0), (0.0, 1.0))
    for domain in domains:
        with pytest.raises(
            ValueError, match=rf"`points` of 'interior', 4 over 1 face.*`place` of a `Face` .* got {found}"
        ):
            sample(domain, "interior", 4, Uniform(), 0, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("domain", [Interval(-pi, pi), Rectangle((0.1, 0.7), (-0.3, pi)), Disk((0.1, 0.3), 0.7)])
def test_no_point_of_a_grid_leaves_the_domain_by_rounding(domain: Domain, dtype: torch.dtype) -> None:
    grid = domain.grid(400)
    points = rounded_inside(domain, grid, dtype)
    assert points.dtype == dtype
    assert domain.contains(points.double().numpy()).all()
    if not isinstance(domain, Disk):
        assert len(points) == len(grid)
        low, high = torch.tensor(domain.bounds, dtype=torch.float64).T
        assert (points.double() >= low).all()
        assert (points.double() <= high).all()
    nearest = torch.cdist(points.double(), torch.from_numpy(grid)).min(dim=1).values
    assert nearest.max() < 1e-6
    assert len(points) > 0.9 * len(grid)


def test_points_that_rounding_leaves_inside_stay_as_they_are() -> None:
    grid = Rectangle((0, 1), (-1, 1)).grid(100)
    assert torch.equal(rounded_inside(Rectangle((0, 1), (-1, 1)), grid, torch.float32), torch.from_numpy(grid).float())
    assert rounded_inside(Interval(-pi, pi), Interval(-pi, pi).grid(2), torch.float32).abs().max().item() < pi


def test_a_domain_of_ones_own_is_written_with_its_ranges() -> None:
    assert repr(PointCloud([[0.0, 1.0], [0.5, 3.0]])) == "PointCloud(x in [0, 0.5], y in [1, 3])"
