"""Squares with four holes."""

import numpy as np
import pytest

from benchmarks.references.holes import CHARGES, CLASSIC, SQUARE, Bessel, particular, poisson_classic, source

Z = np.array([0.123 + 0.77j, -0.3 - 0.2j, 0.01 + 0.1j, -0.7 - 0.8j])
H = 1e-3


def screened(u: object, z: np.ndarray) -> np.ndarray:
    """-Δu + 64 u by a stencil of order 4."""
    weights = {0: -5.0, 1: 4 / 3, 2: -1 / 12}
    values = sum(w * sum(u(z + n * H * d) for d in (1, -1, 1j, -1j)) for n, w in weights.items() if n)  # type: ignore
    return 64 * u(z) - (values + weights[0] * u(z)) / H**2  # type: ignore[operator]


def test_the_particular_solution() -> None:
    assert screened(particular, Z) == pytest.approx(source(Z.real, Z.imag), abs=1e-5)


def test_bessel_functions_solve_the_homogeneous_equation() -> None:
    family = Bessel(8.0, SQUARE, CHARGES, degree=3, powers=2, poles=1)
    columns = family(Z).shape[1]
    assert columns == 7 + 4 * 5 + 4 * 3
    for i in range(columns):
        column = lambda z, i=i: family(z)[:, i]  # noqa: E731
        assert np.abs(screened(column, Z)).max() < 1e-4 * (1 + 64 * np.abs(column(Z)).max())


def test_the_error_falls_with_the_degree() -> None:
    errors = [poisson_classic(degree)[1]["u"] for degree in (8, 16, 32)]
    assert errors[1] < errors[0] / 3
    assert errors[2] < errors[1] / 3


def test_laplace_has_the_symmetries_of_its_square_and_the_values_of_its_boundary() -> None:
    table, errors = poisson_classic()
    u = dict(zip(zip(table["x"].round(6), table["y"].round(6), strict=True), table["u"], strict=True))
    assert len(u) < 81**2
    assert all(value == pytest.approx(u[y, -x], abs=1e-7) for (x, y), value in u.items())
    assert all(value == pytest.approx(1.0, abs=2 * errors["u"]) for (x, _), value in u.items() if abs(x) == 0.5)
    near = [value for (x, y), value in u.items() if min(abs(x + 1j * y - c) - r for c, r in CLASSIC) < 0.003]
    assert near
    assert -2 * errors["u"] <= min(near) < max(near) < 0.05
