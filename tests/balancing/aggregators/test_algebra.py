"""Linear algebra on inner products, against numbers worked out by hand and against the conditions of an optimum."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.jacobians import jacobian
from lightning_autobalance.balancing.aggregators import algebra
from lightning_autobalance.balancing.aggregators.algebra import (
    cosines_and_norms,
    dual_cone_weights,
    equal_angle_weights,
    min_norm_weights,
)


def matrix(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_cosines_and_norms() -> None:
    cosines, norms = cosines_and_norms(matrix([9.0, 3.0], [3.0, 4.0]))
    assert_close(cosines, matrix([1.0, 0.5], [0.5, 1.0]))
    assert_close(norms, vector(3.0, 2.0))


# Equal angles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cosine", [-1.0, -0.6, 0.0, 0.8, 1.0])
def test_two_unit_rows_are_added(cosine: float) -> None:
    assert equal_angle_weights(matrix([1.0, cosine], [cosine, 1.0])).tolist() == [1.0, 1.0]


def test_three_unit_rows_by_hand() -> None:
    """The second and third coincide, so that each gets half of 1."""
    cosines = matrix([1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0])
    assert_close(equal_angle_weights(cosines), vector(1.0, 0.5, 0.5))


def test_the_sum_has_the_same_angle_to_every_row() -> None:
    cosines, _ = cosines_and_norms((rows := jacobian(4)) @ rows.T)
    assert_close(cosines @ equal_angle_weights(cosines), torch.ones(4, dtype=torch.float64))


# Dual cone ------------------------------------------------------------------------------------------------------------


def test_a_row_against_another_loses_what_opposes_it() -> None:
    """Of u1 with cosine -0.6 to u2, the projection is u1 + 0.6 u2."""
    cosines = matrix([1.0, -0.6], [-0.6, 1.0])
    assert_close(dual_cone_weights(cosines, vector(1.0, 0.0)), vector(0.0, 0.6))


def test_what_conflicts_with_no_row_stays() -> None:
    assert dual_cone_weights(matrix([1.0, 0.6], [0.6, 1.0]), vector(1.0, 0.0)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("seed", range(5))
def test_a_projection_is_the_nearest_vector_of_the_cone(seed: int) -> None:
    """The conditions of Karush, Kuhn and Tucker: y >= 0, U (t + y) >= 0, and one of the two zero in each component."""
    cosines, _ = cosines_and_norms((rows := jacobian(4, n=4, seed=seed)) @ rows.T)
    target = torch.linspace(-1.0, 1.0, 4, dtype=torch.float64)
    y = dual_cone_weights(cosines, target)
    products = cosines @ (target + y)
    assert (y >= 0).all()
    assert y.max() > 0
    assert (products >= -1e-12).all()
    assert_close(y * products, torch.zeros_like(y), rtol=0.0, atol=1e-12)


# Least norm -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gram", "expected"),
    [
        ([[1.0, 0.0], [0.0, 3.0]], [0.75, 0.25]),
        ([[1.0, -1.0], [-1.0, 1.0]], [0.5, 0.5]),
        ([[1.0, 2.0], [2.0, 9.0]], [1.0, 0.0]),  # the longer row points the same way
        ([[9.0, 2.0], [2.0, 1.0]], [0.0, 1.0]),
        ([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]], [4 / 7, 2 / 7, 1 / 7]),
        ([[1.0, 1.5, 0.0], [1.5, 4.0, 0.0], [0.0, 0.0, 1.0]], [0.5, 0.0, 0.5]),  # on an edge of the triangle
    ],
)
def test_least_norm_by_hand(gram: list[list[float]], expected: list[float]) -> None:
    assert_close(min_norm_weights(matrix(*gram)), vector(*expected))


@pytest.mark.parametrize("m", [2, 3, algebra.MAX_ENUMERATED, algebra.MAX_ENUMERATED + 1, 12])
def test_least_norm_is_optimal(m: int) -> None:
    """No row has a smaller product with the shortest vector than that vector with itself."""
    for seed in range(3):
        gram = (rows := jacobian(m, n=m, seed=seed, ratio=10.0)) @ rows.T
        weights = min_norm_weights(gram)
        assert (weights >= 0).all()
        assert weights.sum().item() == pytest.approx(1.0)
        assert (gram @ weights).min() >= (weights @ gram @ weights) * (1 - 1e-6)


def test_enumeration_and_least_squares_agree() -> None:
    for seed in range(5):
        gram = (rows := jacobian(5, n=4, seed=seed)) @ rows.T
        assert_close(algebra._min_norm_of_many(gram) @ rows, min_norm_weights(gram) @ rows, rtol=1e-6, atol=1e-8)
