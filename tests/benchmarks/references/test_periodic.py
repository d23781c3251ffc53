"""Fourier in x, Radau in t."""

import numpy as np
import pytest

from benchmarks.references.periodic import Equation, allen_cahn, differentiation, kuramoto_sivashinsky


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_of_waves_are_exact(order: int) -> None:
    x = -1 + np.arange(16) / 8
    found = differentiation(16, order) @ np.sin(2 * np.pi * x)
    expected = (2 * np.pi) ** order * np.sin(2 * np.pi * x + order * np.pi / 2)
    assert found == pytest.approx(expected, abs=1e-8)


def test_the_heat_equation_in_closed_form() -> None:
    heat = Equation({2: 0.1}, (0, 0.0), np.sin, np.cos, lambda x: np.sin(np.pi * x), 1.0)
    table, errors = heat.table(128)
    expected = np.exp(-0.1 * np.pi**2 * table["t"]) * np.sin(np.pi * table["x"])
    assert table["u"] == pytest.approx(expected, abs=1e-7)
    assert errors["u"] < 1e-6


def test_growth_towards_a_stable_state_in_closed_form() -> None:
    logistic = Equation({0: 1.0}, (0, -1.0), lambda u: u**2, lambda u: 2 * u, lambda x: 0.1 + 0 * x, 2.0)
    table, _ = logistic.table(128)
    assert table["u"] == pytest.approx(1 / (1 + 9 * np.exp(-table["t"])), abs=1e-7)


def test_what_is_stated_of_both_problems() -> None:
    for problem, n in ((allen_cahn, 128), (kuramoto_sivashinsky, 128)):
        table, errors = problem(n)
        u = table["u"].reshape(51, 65)
        assert u[:, 0] == pytest.approx(u[:, -1])
        assert errors["u"] < 1e-2
        assert np.abs(u).max() < 3
