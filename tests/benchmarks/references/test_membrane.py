"""The membranes solve -Δu = 1 with u = 0 on the boundary."""

import numpy as np
import pytest

from benchmarks.references import membrane
from benchmarks.references.membrane import HOLES, Harmonics, circles, edges, fitted

CORNERS = (0j, 1 + 0j, 1 + 1j, 1j)


def test_the_solution_on_a_square_is_its_sine_series() -> None:
    u, error = fitted(Harmonics(CORNERS, 0.5 + 0.5j, degree=16, poles=16), edges(CORNERS, 200), edges(CORNERS, 301))
    odd = np.arange(1, 400, 2)
    signs = np.sin(odd * np.pi / 2)
    series = 16 / np.pi**4 * (np.outer(signs, signs) / np.outer(odd, odd) / (odd[:, None] ** 2 + odd**2)).sum()
    assert u(np.array([0.5 + 0.5j]))[0] == pytest.approx(series, abs=1e-7)
    assert error < 1e-6


@pytest.mark.parametrize("make", [membrane.l_shape, membrane.three_holes])
def test_the_equation_and_the_stated_error(make: object) -> None:
    table, errors = make()  # type: ignore[operator]
    assert errors["u"] < 2e-8
    assert (table["u"] >= -errors["u"]).all()  # by the maximum principle
    size = round(len(np.unique(table["x"])))
    x, y = (np.round((table[name] - table[name].min()) * (size - 1) / np.ptp(table[name])).astype(int) for name in "xy")
    u = np.full((size, size), np.nan)
    u[x, y] = table["u"]
    h = np.ptp(table["x"]) / (size - 1)
    laplacian = (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]) / h**2
    found = laplacian[np.isfinite(laplacian)]
    assert np.median(np.abs(found + 1)) < 1e-3  # the stencil's own error is larger at corners


def test_holes_are_left_out_and_their_edges_are_zero() -> None:
    table, errors = membrane.three_holes()
    z = table["x"] + 1j * table["y"]
    assert all((np.abs(z - c) >= r).all() for c, r in HOLES)
    assert np.abs(np.abs(circles(HOLES, 8)[:8] - HOLES[0][0]) - HOLES[0][1]).max() < 1e-15
    outside = (table["x"] == 0) | (table["y"] == 1)
    assert np.abs(table["u"][outside]).max() < 1.1 * errors["u"]  # which is found between these points
