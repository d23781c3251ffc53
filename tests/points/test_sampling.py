"""From a domain, a sampler and a seed to points."""

from zlib import crc32

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightning_autobalance.points import (
    Box,
    Disk,
    Domain,
    Grid,
    Interval,
    LatinHypercube,
    Rectangle,
    Sampler,
    Sobol,
    TimeCylinder,
    Uniform,
    sample,
)

SQUARE = Rectangle((0.0, 1.0), (0.0, 1.0))
PINNED = [[0.016352180615594847, 0.2835250013198487], [0.8631805344681361, 0.007615971130227717]]


def draw(**changes: object) -> np.ndarray:
    arguments = {"domain": SQUARE, "part": "interior", "count": 20, "sampler": Uniform(), "seed": 1, "draw": 0}
    return sample(**{**arguments, **changes})  # type: ignore[arg-type]


def sides(points: np.ndarray) -> list[int]:
    """How many points lie on the left, right, lower and upper side."""
    return [int((points[:, i] == end).sum()) for i in (0, 1) for end in (0, 1)]


def test_numbers_that_must_never_change() -> None:
    """A published seed stands for these points; the generator is PCG64, whatever numpy's default becomes."""
    stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([1, crc32(b"interior"), 2, 0])))
    assert_array_equal(draw(draw=2), stream.random((20, 2)))
    assert draw(count=2).tolist() == PINNED


@pytest.mark.parametrize("sampler", [Uniform(), LatinHypercube(), Sobol()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("part", ["interior", "boundary"])
def test_points_follow_from_the_arguments_alone(sampler: Sampler, part: str) -> None:
    first = draw(sampler=sampler, part=part)
    for number in range(3):
        draw(sampler=sampler, part=part, draw=number)
    assert_array_equal(draw(sampler=sampler, part=part), first)
    for change in ({"seed": 2}, {"draw": 1}):
        assert not np.isin(draw(sampler=sampler, part=part, **change), first[(first != 0) & (first != 1)]).any()


def test_parts_and_faces_have_streams_of_their_own() -> None:
    heat = TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0))
    assert not np.isin(draw(domain=heat, part="initial")[:, 0], draw(domain=heat)).any()
    edge = draw(part="boundary", count=40)
    free = edge[(edge != 0) & (edge != 1)]
    assert len(np.unique(free)) == 40


def test_seeds_beyond_32_bits_are_distinct() -> None:
    seeds = [0, 1, 2**32, 2**32 + 1, 2**63]
    assert len({draw(seed=seed).tobytes() for seed in seeds}) == len(seeds)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(400, [100] * 4), (10, [3, 3, 2, 2]), (4, [1] * 4), (3, [1, 1, 1, 0]), (1, [1, 0, 0, 0])],
)
def test_boundary_points_are_spread_evenly(count: int, expected: list[int]) -> None:
    found = draw(part="boundary", count=count)
    assert len(np.unique(found, axis=0)) == len(found) == count
    assert sides(found) == expected


def test_the_papers_reaction_diffusion_has_as_many_points_left_as_right() -> None:
    found = draw(domain=TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)), part="boundary", count=50)
    assert sides(found)[:2] == [25, 25]


def test_uniform_points_never_meet_a_corner() -> None:
    found = draw(part="boundary", count=10_000)
    assert (np.isin(found, [0.0, 1.0]).sum(axis=1) == 1).all()


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_that_is_not_positive_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=rf"`points` of 'boundary' must be >= 1, got {count}\."):
        draw(part="boundary", count=count)


@pytest.mark.parametrize("name", ["seed", "draw"])
def test_a_negative_number_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be >= 0, got -1"):
        draw(**{name: -1})


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"one of interior, .*, top, got 'boundry'\. Did you mean 'boundary'\?",
    ):
        draw(part="boundry")


@pytest.mark.parametrize(
    ("domain", "part", "message"),
    [
        (Box(*[(0.0, 1.0)] * 3), "boundary", r"'boundary', 100 over 6 face\(s\): .* got 17\. Try 16 or 25"),
        (Box(*[(0.0, 1.0)] * 3), "interior", r"'interior', 100 over 1 face\(s\): .* got 100\. Try 64 or 125"),
    ],
)
def test_a_count_the_sampler_cannot_draw_names_the_part(domain: Domain, part: str, message: str) -> None:
    with pytest.raises(ValueError, match="`points` of " + message):
        draw(domain=domain, part=part, count=100, sampler=Grid())


@pytest.mark.parametrize("domain", [SQUARE, Disk()], ids=["square", "disk"])
def test_sobol_points_integrate_better_than_uniform_ones(domain: Domain) -> None:
    """The mean of x² + y² is 2/3 over the square and 1/2 over the disk."""
    exact = 2 / 3 if domain is SQUARE else 1 / 2

    def error(sampler: Sampler) -> float:
        draws = [draw(domain=domain, count=256, sampler=sampler, draw=i) for i in range(20)]
        return float(np.sqrt(np.mean([((x**2).sum(axis=1).mean() - exact) ** 2 for x in draws])))

    assert error(Sobol()) < 0.1 * error(Uniform())
