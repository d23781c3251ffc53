"""Lorenz's equations."""

import numpy as np
import pytest

from benchmarks.references.lorenz import TIMES, lorenz, solved


def test_the_equations_hold_between_the_times() -> None:
    x, y, z = solved(1e-12)
    h = TIMES[1]
    for u, slope in ((x, 10 * (y - x)), (y, x * (15 - z) - y), (z, x * y - 8 / 3 * z)):
        difference = (8 * (u[3:-1] - u[1:-3]) - (u[4:] - u[:-4])) / (12 * h)
        assert difference == pytest.approx(slope[2:-2], abs=2e-3)


def test_the_error_falls_with_the_tolerance() -> None:
    fine = solved(1e-12)
    errors = [np.abs(solved(tolerance) - fine).max() for tolerance in (1e-5, 1e-8)]
    assert errors[1] < errors[0] / 100
    table, stated = lorenz()
    assert table["x"][0] == -8
    assert max(stated.values()) < 1e-8
