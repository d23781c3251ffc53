"""Sines in space, Runge-Kutta in time."""

import numpy as np
import pytest

from benchmarks.references.heat_long_time import solution, table

TIMES = np.array([0.0, 0.2, 0.4])


def at_eighths(n: int) -> np.ndarray:
    return solution(n, 0.02, TIMES)[-1, n // 8 - 1 :: n // 8, n // 8 - 1 :: n // 8]


def test_it_is_of_order_four_in_time() -> None:
    finest = solution(16, 0.005, TIMES)
    errors = [np.abs(solution(16, step, TIMES) - finest)[-1].max() for step in (0.1, 0.05)]
    assert 12 < errors[0] / errors[1] < 22


def test_it_converges_fast_in_space() -> None:
    finest = at_eighths(64)
    errors = [np.abs(at_eighths(n) - finest).max() for n in (16, 32)]
    assert errors[1] < errors[0] / 30


def test_what_is_committed_is_the_solution_of_fewer_points() -> None:
    committed = np.load("src/lightning_autobalance/problems/references/heat_long_time_2d.npz")
    found = table(48, 0.05, np.array([0.0, 2.0]), 24)
    u = committed["u"][committed["t"] <= 2]
    assert np.linalg.norm(found["u"] - u) < 0.05 * np.linalg.norm(u)
    assert found["u"][:625] == pytest.approx(u[:625], abs=1e-9)
    for name in "xyt":
        assert found[name] == pytest.approx(committed[name][committed["t"] <= 2], abs=1e-9)
