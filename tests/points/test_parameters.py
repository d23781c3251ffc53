"""Parameters of the equation as coordinates."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from helpers.uniformity import assert_uniform
from lightning_autobalance.points import Grid, Interval, ParameterRange, Parametric, TimeCylinder, Uniform, sample

LINE = Interval(0.0, 1.0)


def test_a_parameter_becomes_the_last_coordinate() -> None:
    domain = TimeCylinder(LINE, (0.0, 2.0)) * ParameterRange("nu", 0.1, 1.0)
    assert isinstance(domain, Parametric)
    assert domain.coordinates == ("x", "t", "nu")
    assert domain.bounds == ((0.0, 1.0), (0.0, 2.0), (0.1, 1.0))
    assert domain.parts == ("interior", "boundary", "left", "right", "initial")


def test_parameters_add_up() -> None:
    domain = LINE * ParameterRange("a", 0, 1) * ParameterRange("b", 2, 4)
    assert domain.coordinates == ("x", "a", "b")
    assert domain.measure() == 2
    found = sample(domain, "left", 200, Uniform(), 0, 0)
    assert_array_equal(found[:, 0], 0)
    assert_uniform(found[:, 1], 0, 1)
    assert_uniform(found[:, 2], 2, 4)


def test_a_logarithmic_parameter_by_hand() -> None:
    found = sample(LINE * ParameterRange("nu", 0.01, 1.0, log=True), "left", 2, Grid(), 0, 0)
    assert_allclose(found, [[0, 0.01 * 10**0.5], [0, 0.1 * 10**0.5]])


def test_a_logarithmic_parameter_is_uniform_over_its_logarithm() -> None:
    found = sample(LINE * ParameterRange("nu", 1e-4, 10.0, log=True), "interior", 5000, Uniform(), 0, 0)
    assert_uniform(np.log10(found[:, 1]), -4, 1)
    assert_uniform(found[:, 0], 0, 1)


def test_rounding_leaves_a_logarithmic_parameter_within_its_range() -> None:
    for high in (0.7, 0.3, 3.3, 11.1):
        along = (LINE * ParameterRange("nu", 0.1, high, log=True))._along(torch.ones(1, 1, dtype=torch.float64))
        assert 0.1 <= along.item() <= high


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_a_logarithm_needs_positive_values(low: float) -> None:
    with pytest.raises(ValueError, match=f"`low` of 'nu' must be > 0 where `log` is true, got {low}"):
        ParameterRange("nu", low, 1.0, log=True)


def test_a_range_out_of_order_is_named() -> None:
    with pytest.raises(ValueError, match=r"`nu` must be two finite numbers .* got \(1.0, 0.5\)"):
        ParameterRange("nu", 1.0, 0.5)


@pytest.mark.parametrize("name", ["nu_1", "1", ""])
def test_a_name_that_is_no_word_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="`coordinates` must be 1 different words of letters, got"):
        ParameterRange(name, 0.0, 1.0)


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`name` must be no coordinate of the domain, \('x',\), got 'x'"):
        _ = LINE * ParameterRange("x", 0.0, 1.0)
    with pytest.raises(ValueError, match=r"`name` must be no coordinate .* got 'a'"):
        _ = LINE * ParameterRange("a", 0.0, 1.0) * ParameterRange("a", 0.0, 1.0)


def test_anything_but_a_domain_is_refused() -> None:
    with pytest.raises(ValueError, match="`ParameterRange` must be multiplied with a domain, got 3"):
        Parametric.__init__.__wrapped__(object.__new__(Parametric), 3, ParameterRange("nu", 0.0, 1.0))


def test_the_domain_comes_first() -> None:
    for other in (LINE, ParameterRange("b", 0.0, 1.0)):
        with pytest.raises(TypeError, match=r"`\*` must have the domain first, `domain \* ParameterRange\('a', ...\)`"):
            ParameterRange("a", 0.0, 1.0) * other


def test_it_is_written_as_it_is_made() -> None:
    domain = Interval(0, 1) * ParameterRange("nu", 0.1, 10, log=True)
    assert repr(domain) == "Interval(0, 1) * ParameterRange('nu', 0.1, 10, log=True)"
