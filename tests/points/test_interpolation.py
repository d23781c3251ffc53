"""Between points, a linear function is exact; elsewhere nothing is known."""

import numpy as np
import pytest

from lightning_autobalance.points import interpolation
from lightning_autobalance.points.interpolation import Scattered


def linear(x: np.ndarray) -> np.ndarray:
    return np.stack([1 + x.sum(axis=1), x[:, 0]], axis=1)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_linear_functions_are_exact_inside_and_unknown_outside(d: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.random((300, d)) * np.array([1.0, 1e-3, 1e3])[:d]  # whatever the units
    between = Scattered(points, linear(points))
    middle = points.mean(axis=0, keepdims=True) + 0.01 * (points[:5] - points.mean(axis=0))
    np.testing.assert_allclose(between(middle), linear(middle), rtol=1e-9)
    assert np.isnan(between(points.max(axis=0, keepdims=True) * 2)).all()


def test_grids_have_values_up_to_their_edges() -> None:
    axes = np.meshgrid(*(np.linspace(0, 1, n) for n in (6, 5, 4)), indexing="ij")
    points = np.stack([axis.ravel() for axis in axes], axis=1)
    between = Scattered(points, linear(points))
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 51), np.linspace(0, 1, 51)))
    face = np.stack([x, y, np.ones_like(x)], axis=1)
    np.testing.assert_allclose(between(face), linear(face), atol=1e-12)


def test_a_coordinate_that_does_not_vary_says_nothing_elsewhere() -> None:
    points = np.array([[0.0, 0.5], [1.0, 0.5]])
    found = Scattered(points, linear(points))(np.array([[0.25, 0.5], [0.25, 0.6]]))
    np.testing.assert_allclose(found[0], [1.75, 0.25])
    assert np.isnan(found[1]).all()


def test_very_many_points_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpolation, "MOST_POINTS", 400)
    points = np.random.default_rng(0).random((5000, 2))
    x = np.full((1, 2), 0.4)
    between = Scattered(points, linear(points))
    assert between._between is not None
    assert len(between._between.points) == 400  # type: ignore[attr-defined]
    np.testing.assert_allclose(between(x), linear(x))


@pytest.mark.parametrize(
    "points",
    [np.array([[0.3, 0.5]]), np.tile(np.linspace(0, 1, 9)[:, None], (1, 2)), np.random.default_rng(0).random((50, 4))],
    ids=["a single point", "all on a line", "too many coordinates"],
)
def test_where_there_is_no_triangulation_nothing_is_known(points: np.ndarray) -> None:
    assert np.isnan(Scattered(points, linear(points))(points)).all()
