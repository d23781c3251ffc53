"""Domains given by points."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from helpers.domains import CLOUD, GRID
from helpers.toys import fit
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import (
    Disk,
    Grid,
    LatinHypercube,
    ParameterRange,
    PointCloud,
    Rectangle,
    Sampler,
    Sobol,
    TimeCylinder,
    Uniform,
    most_points,
    sample,
)

SAMPLERS = pytest.mark.parametrize(
    "sampler", [Uniform(), Grid(), LatinHypercube(), Sobol()], ids=lambda s: type(s).__name__
)
INSIDE = [[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]]
ENDS = {"left": [[0.0, 0.0], [0.0, 1.0]], "right": [[1.0, 0.5]], "sensors": [[0.3, 0.3]]}
SMALL = PointCloud(INSIDE, ENDS, {"left": [[-2.0, 0.0], [-1.0, 1.0]], "right": [[1.0, 0.0]]})


def rows(points: np.ndarray) -> set[tuple[float, ...]]:
    return set(map(tuple, points.tolist()))


def test_names_and_bounds() -> None:
    assert SMALL.coordinates == ("x", "y")
    assert SMALL.bounds == ((0.0, 1.0), (0.0, 1.0))
    assert SMALL.parts == ("interior", "boundary", "left", "right", "sensors")
    assert PointCloud(INSIDE).parts == ("interior",)
    assert PointCloud(INSIDE, coordinates="xt").coordinates == ("x", "t")
    assert np.isnan(SMALL.measure())


def test_all_points_of_a_part_are_drawn_once_each() -> None:
    assert rows(sample(SMALL, "interior", 3, Uniform(), 0, 0)) == rows(np.array(INSIDE))
    assert sample(SMALL, "right", 1, Uniform(), 0, 0).tolist() == [[1.0, 0.5]]
    assert rows(sample(SMALL, "boundary", 4, Uniform(), 0, 0)) == rows(np.concatenate(list(ENDS.values())))


@SAMPLERS
@pytest.mark.parametrize("count", [1, 100, 961])
def test_none_is_drawn_twice(sampler: Sampler, count: int) -> None:
    found = sample(CLOUD, "interior", count, sampler, seed=1, draw=2)
    assert len(rows(found)) == len(found) == count
    assert rows(found) <= rows(GRID)
    assert_array_equal(sample(CLOUD, "interior", count, sampler, seed=1, draw=2), found)


def test_draws_differ() -> None:
    draws = [rows(sample(CLOUD, "interior", 100, Uniform(), 1, i)) for i in (0, 1)]
    assert len(draws[0] & draws[1]) < 40


def test_every_point_is_drawn_as_often() -> None:
    points = np.arange(20.0)[:, None]
    found = np.concatenate([sample(PointCloud(points), "interior", 7, Uniform(), 0, i) for i in range(500)])
    assert stats.chisquare(np.bincount(found[:, 0].astype(int), minlength=20)).pvalue > 1e-4


@pytest.mark.parametrize(("part", "most"), [("interior", 3), ("left", 2), ("boundary", 4)])
def test_more_points_than_there_are_are_refused(part: str, most: int) -> None:
    assert most_points(SMALL, part) == most
    with pytest.raises(ValueError, match=rf"`points` of '{part}', {most + 1} over .* it has only \d points, of which"):
        sample(SMALL, part, most + 1, Uniform(), 0, 0)


def test_with_time_points_are_drawn_at_many_times() -> None:
    wave = TimeCylinder(SMALL, (0.0, 2.0)) * ParameterRange("c", 1.0, 2.0)
    assert wave.parts == (*SMALL.parts, "initial")
    found = sample(wave, "interior", 500, Uniform(), 0, 0)
    assert rows(found[:, :2]) == rows(np.array(INSIDE))
    assert len(np.unique(found[:, 2])) == len(np.unique(found[:, 3])) == 500
    assert most_points(wave, "initial") == float("inf")
    start = sample(TimeCylinder(SMALL, (0.5, 2.0)), "initial", 3, Uniform(), 0, 0)
    assert rows(start[:, :2]) == rows(np.array(INSIDE))
    assert_array_equal(start[:, 2], 0.5)
    x = torch.tensor([[0.9, 0.5, 1.0, 1.5]])
    assert wave.normal(x, "right").tolist() == [[1, 0, 0, 0]]


def test_a_cloud_with_times_of_its_own() -> None:
    cloud = PointCloud([[0.5, 0.5]], {"initial": [[0.2, 0.0]], "wall": [[0.0, 0.5]]}, coordinates="xt")
    assert cloud.parts == ("interior", "boundary", "initial", "wall")
    assert sample(cloud, "boundary", 1, Uniform(), 0, 0).tolist() == [[0.0, 0.5]]  # the start is none


def test_normals_are_those_of_the_nearest_point() -> None:
    x = torch.tensor([[0.0, 0.1], [0.0, 0.9]], dtype=torch.float64)
    half = 0.5**0.5
    assert_allclose(SMALL.normal(x, "left"), [[-1, 0], [-half, half]])
    assert_allclose(SMALL.named(left="inlet").normal(x, "inlet"), [[-1, 0], [-half, half]])
    both = PointCloud(INSIDE, {"wall": [[0.0, 0.0], [1.0, 1.0]]}, {"wall": [[-1.0, 0.0], [1.0, 0.0]]})
    assert both.normal(x.float()).tolist() == [[-1, 0], [-1, 0]]
    assert both.normal(x.float()).dtype == torch.float32


@pytest.mark.parametrize(
    ("cloud", "part", "message"),
    [
        (SMALL, "boundary", "`normals` must have a row per point of 'sensors', got those of"),
        (SMALL, "interior", "`normals` must have a row per point of 'interior', got those of"),
        (SMALL, "lefft", r"`part` must be one of .*Did you mean 'left'\?"),
        (PointCloud(INSIDE), "boundary", "`part` must be one of interior, got 'boundary'"),
    ],
)
def test_normals_that_are_not_given_are_named(cloud: PointCloud, part: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cloud.normal(torch.zeros(1, 2), part)


def test_a_distance_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"`PointCloud` has no distance to its boundary.*`domain.with_part"):
        SMALL.distance(torch.zeros(1, 2))


def test_the_domain_reaches_to_the_next_point() -> None:
    line = PointCloud([[0.0], [1.0], [3.0]])
    assert line.reach == 2.0
    assert_array_equal(line.contains(np.array([[-0.1], [0.0], [2.0], [3.0], [3.1]])), [False, True, True, True, False])
    near = PointCloud([[0.0], [1.0], [3.0]], reach=0.5)
    assert_array_equal(near.contains(np.array([[0.5], [2.0], [2.6]])), [True, False, True])
    assert PointCloud([[1.0, 2.0]]).reach == 0.0


def test_a_hole_of_a_cloud_is_outside() -> None:
    ring = PointCloud(Disk().grid(900)[np.hypot(*Disk().grid(900).T) > 0.5])
    assert_array_equal(ring.contains(np.array([[0.0, 0.0], [0.7, 0.0], [0.0, 0.6], [0.3, 0.1]])), [0, 1, 1, 0])


def test_the_grid_is_the_points() -> None:
    assert rows(SMALL.grid(100)) == rows(np.concatenate([INSIDE, *ENDS.values()]))
    assert len(CLOUD.grid(100)) == 100
    with pytest.raises(ValueError, match="`count` must be >= 1, got 0"):
        SMALL.grid(0)


def test_a_cloud_is_a_part_of_another_domain() -> None:
    square = Rectangle((0, 1), (0, 1)).with_part("sensors", SMALL)
    assert rows(sample(square, "sensors", 3, Uniform(), 0, 0)) == rows(np.array(INSIDE))
    with pytest.raises(ValueError, match="`points` of 'sensors', 4 over"):
        sample(square, "sensors", 4, Uniform(), 0, 0)


def test_tensors_and_arrays_are_copied() -> None:
    points = np.array(INSIDE)
    cloud = PointCloud(points)
    points[:] = 7
    assert cloud.bounds == ((0.25, 0.75), (0.5, 0.5))
    assert PointCloud(torch.tensor(INSIDE, requires_grad=True)).bounds == cloud.bounds


class OnCloud(PINNModule):
    domain = CLOUD

    def residuals(self, points: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        (u_xx,) = self.partials(points["interior"], "xx+yy")
        return {"pde": u_xx + 1, "wall": self(points["wall"])}


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    def run(steps: int, **options: Any) -> tuple[OnCloud, Any]:
        torch.manual_seed(0)
        module = OnCloud(net=MLP(2, 1, [6]))
        data = CollocationPoints({"interior": 50, "wall": 20}, seed=0, resample_every=2, steps_per_epoch=5)
        return module, fit(module, tmp_path, data, max_steps=steps, **options)

    whole, _ = run(9)
    run(5)[1].save_checkpoint(tmp_path / "part.ckpt")
    rest, trainer = run(9, ckpt_path=tmp_path / "part.ckpt")
    assert trainer.global_step == 9
    for a, b in zip(whole.parameters(), rest.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_name_and_a_point_are_added() -> None:
    cloud = CLOUD.named(wall="rim").with_part("corner", (0.0, 1.0))
    assert cloud.parts == ("interior", "boundary", "rim", "corner")
    assert most_points(cloud, "rim") == 128
    assert sample(cloud, "corner", 1, Uniform(), 0, 0).tolist() == [[0.0, 1.0]]
    with pytest.raises(ValueError, match="`place` must lie in the domain"):
        CLOUD.with_part("outside", (0.0, 0.5))


NAN = float("nan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interior": [0.0, 1.0]}, r"`points` of 'interior' must have shape \(n, d\) with n >= 1, got \(2,\)"),
        ({"interior": np.zeros((0, 2))}, r"`points` of 'interior' must have shape .* got \(0, 2\)"),
        (
            {"interior": [[0, 1], [0, NAN], [NAN, 1]]},
            r"'interior' must be finite, got 2 row\(s\).* first 1: \[0.0, nan",
        ),
        ({"interior": [["a", "b"]]}, "`points` of 'interior' must be a table of numbers: could not convert"),
        ({"interior": [[1j, 0.0]]}, "`points` of 'interior' must be a table of numbers: it is complex"),
        ({"parts": {"wall": [[0.0, 1.0, 2.0]]}}, r"`points` of 'wall' must have shape \(n, 2\) .* got \(1, 3\)"),
        ({"parts": {"wall": [[0.0, np.inf]]}}, "`points` of 'wall' must be finite"),
        (
            {"parts": {"interior": [[0.0, 1.0]]}},
            "`parts` must have names that are words, and no 'interior', got 'inter",
        ),
        ({"parts": {"my wall": [[0.0, 1.0]]}}, "`parts` must have names that are words"),
        ({"parts": {"initial": [[0.0, 1.0]]}}, "`parts` must have no 'initial' without a coordinate t, got"),
        ({"normals": {"wall": [[0.0, 1.0]]}}, "`normals` must be of parts, interior, got 'wall'"),
        (
            {"parts": {"wall": [[0.0, 1.0]]}, "normals": {"wall": [[0.0, 1.0], [1.0, 0.0]]}},
            r"`normals` of 'wall' must have shape \(1, 2\), got \(2, 2\)",
        ),
        (
            {"parts": {"wall": [[0.0, 1.0]] * 2}, "normals": {"wall": [[0.0, 1.0], [0.0, 0.0]]}},
            "`normals` of 'wall' must not be 0, got row 1",
        ),
        (
            {"parts": {"wall": [[0.0, 1.0]]}, "normals": {"wall": [[NAN, 1.0]]}},
            "`normals` of 'wall' must be finite, got 1 row",
        ),
        ({"coordinates": "xyz"}, "`coordinates` must be 2 different words of letters"),
        ({"reach": 0.0}, "`reach` must be finite and > 0, got 0.0"),
    ],
)
def test_bad_arguments(arguments: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointCloud(**{"interior": INSIDE, **arguments})
