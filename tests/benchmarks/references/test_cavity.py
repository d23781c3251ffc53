"""The lid-driven cavity by collocation."""

import numpy as np
import pytest

from benchmarks.references.cavity import Grid, fields


def test_derivatives_and_values_of_polynomials_are_exact() -> None:
    grid = Grid(6)
    dx, dy = grid.derivatives()
    x, y = np.meshgrid(grid.x, grid.x, indexing="ij")
    f = (x**3 * y**2).ravel()
    assert dx @ f == pytest.approx((3 * x**2 * y**2).ravel(), abs=1e-12)
    assert dy @ f == pytest.approx((2 * x**3 * y).ravel(), abs=1e-12)
    assert grid.values(f, np.array([0.3])).item() == pytest.approx(0.3**5, abs=1e-12)


def test_the_flow_keeps_to_the_walls_and_turns() -> None:
    s = np.linspace(0, 1, 21)
    u, v, p = fields(16, s)
    assert u[:, -1] == pytest.approx(4 * s * (1 - s), abs=1e-2)
    for wall in (u[0], u[-1], u[:, 0], v[0], v[-1], v[:, 0], v[:, -1]):
        assert np.abs(wall).max() < 1e-2
    assert -0.25 < u.min() < -0.18
    assert p[0, 0] == 0
    fluxes = np.trapezoid(u, s, axis=1)  # as much flows back as forth
    assert np.abs(fluxes).max() < 1e-2


def test_what_is_committed_is_the_flow_of_fewer_points() -> None:
    table = np.load("src/lightning_autobalance/problems/references/lid_driven_cavity.npz")
    found = fields(16, np.linspace(0, 1, 51))
    for name, field in zip("uv", found[:2], strict=True):
        assert np.linalg.norm(field.ravel() - table[name]) < 0.02 * np.linalg.norm(table[name])
