"""How points are spread over a unit cube."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import qmc

from lightning_autobalance import points as room
from lightning_autobalance.points import Grid, LatinHypercube, Sampler, Sobol, Uniform

SAMPLERS: list[Sampler] = [Uniform(), Grid(), LatinHypercube(), Sobol()]
samplers = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_sampler_is_tested() -> None:
    kinds = [kind for kind in vars(room).values() if isinstance(kind, type) and issubclass(kind, Sampler)]
    assert {type(sampler) for sampler in SAMPLERS} == set(kinds) - {Sampler}


@samplers
@pytest.mark.parametrize(("count", "dim"), [(1, 1), (1, 3), (7, 1), (64, 1), (64, 2), (64, 3)])
def test_points_lie_in_the_unit_cube(sampler: Sampler, count: int, dim: int) -> None:
    found = sampler(count, dim, rng())
    assert found.shape == (count, dim)
    assert found.dtype == np.float64
    assert found.min() >= 0
    assert found.max() < 1


@samplers
def test_a_single_point_needs_no_coordinates(sampler: Sampler) -> None:
    assert sampler(5, 0, rng()).shape == (5, 0)


@samplers
def test_points_follow_from_the_generator_alone(sampler: Sampler) -> None:
    first = sampler(64, 2, rng(3))
    sampler(64, 2, rng(4))
    np.random.seed(9)
    assert_array_equal(sampler(64, 2, rng(3)), first)
    assert_array_equal(pickle.loads(pickle.dumps(sampler))(64, 2, rng(3)), first)
    assert np.array_equal(sampler(64, 2, rng(4)), first) == isinstance(sampler, Grid)


def test_uniform_points_are_the_generators() -> None:
    assert_array_equal(Uniform()(5, 3, rng(1)), rng(1).random((5, 3)))


def test_grid_points_by_hand() -> None:
    assert_array_equal(Grid()(3, 1, rng()).T, [[1 / 6, 1 / 2, 5 / 6]])
    assert_array_equal(Grid()(4, 2, rng()), [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]])


@pytest.mark.parametrize(
    ("count", "dim", "near"), [(10, 2, "9 or 16"), (15, 2, "9 or 16"), (2, 2, "1 or 4"), (26, 3, "8 or 27")]
)
def test_a_grid_of_another_size_names_the_nearest(count: int, dim: int, near: str) -> None:
    with pytest.raises(ValueError, match=rf"must be n\*\*{dim}, got {count}\. Try {near}\."):
        Grid()(count, dim, rng())


@pytest.mark.parametrize("side", [1, 2, 9, 10, 17])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_every_power_is_a_grid(side: int, dim: int) -> None:
    assert len(np.unique(Grid()(side**dim, dim, rng()), axis=0)) == side**dim


def test_a_latin_hypercube_has_one_point_in_every_slice() -> None:
    slices = np.floor(50 * LatinHypercube()(50, 3, rng()))
    assert_array_equal(np.sort(slices, axis=0), np.tile(np.arange(50)[:, None], 3))


@pytest.mark.parametrize("count", [1, 2, 3, 64, 100])
def test_sobol_points_are_the_first_of_a_power_of_two(count: int) -> None:
    """Also that scipy does not warn of an unbalanced count, since warnings are errors."""
    reference = qmc.Sobol(2, scramble=True, rng=rng(5)).random_base2(7)
    assert_array_equal(Sobol()(count, 2, rng(5)), reference[:count])


def test_sobol_points_are_balanced() -> None:
    cells = np.floor(8 * Sobol()(64, 2, rng())) @ [8, 1]
    assert_array_equal(np.sort(cells), np.arange(64))


def test_sobol_points_are_spread_better_than_uniform_ones() -> None:
    assert qmc.discrepancy(Sobol()(128, 2, rng())) < 0.1 * qmc.discrepancy(Uniform()(128, 2, rng()))


def test_a_method_that_is_no_longer_called_is_refused() -> None:
    with pytest.raises(TypeError, match="`unit` of Mine was removed and would not be called: write `_draw"):
        type("Mine", (Sampler,), {"unit": lambda self, count, dim, stream, draw: None})


def test_they_are_written_as_they_are_made() -> None:
    assert repr(Uniform()) == "Uniform()"
