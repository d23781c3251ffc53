"""Burgers' equation by Cole and Hopf."""

import numpy as np
import pytest

from benchmarks.references.burgers import VISCOSITY, burgers, solution

X = np.linspace(-1, 1, 41)


def test_the_start_the_ends_and_the_symmetry() -> None:
    assert solution(X, np.zeros(41)) == pytest.approx(-np.sin(np.pi * X), abs=1e-12)
    for t in (0.1, 0.5, 1.0):
        u = solution(X, np.full(41, t))
        assert np.abs(u[[0, 20, 40]]).max() < 1e-12
        assert u == pytest.approx(-u[::-1], abs=1e-12)


def test_the_equation_holds() -> None:
    x, t = (each.ravel() for each in np.meshgrid(np.linspace(-0.9, 0.9, 13), [0.1, 0.3, 0.7, 1.0]))
    h = 1e-3 * np.minimum(1, 0.02 + np.abs(x))  # smaller at the front
    u, right, left = solution(x, t), solution(x + h, t), solution(x - h, t)
    u_t = (solution(x, t + 1e-4) - solution(x, t - 1e-4)) / 2e-4
    u_x, u_xx = (right - left) / (2 * h), (right - 2 * u + left) / h**2
    assert np.abs(u_t + u * u_x - VISCOSITY * u_xx).max() < 1e-3


def test_the_error_that_is_stated_is_that_of_half_the_nodes() -> None:
    table, errors = burgers()
    assert errors["u"] < 1e-7
    more = solution(table["x"], table["t"], nodes=300)
    assert table["u"] == pytest.approx(more, abs=1e-12)
