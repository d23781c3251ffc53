"""The flow over a step on a staggered grid."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.references.backward_step import Channel, Equations, at_corners, solution


def test_the_slope_is_the_derivative_of_the_residual() -> None:
    grid, rng = Channel(2), np.random.default_rng(0)
    system = Equations(grid)
    w, direction = rng.normal(size=(2, grid.start.size))
    found = (system(w + 1e-6 * direction)[0] - system(w - 1e-6 * direction)[0]) / 2e-6
    assert system(w)[1] @ direction == pytest.approx(found, abs=1e-6)


def test_as_much_flows_out_as_in_and_some_flows_back() -> None:
    _, (u, _, _) = solution(8)
    fluxes = u.sum(axis=1) / 8
    assert fluxes == pytest.approx(2 / 3, abs=0.01)
    assert np.ptp(fluxes) < 1e-10
    assert u[:16, 8:].max() == 0  # in the step
    assert -0.12 < u.min() < -0.08


def test_it_is_of_order_two_where_the_flow_is_smooth() -> None:
    tables = [at_corners(n, n // 6) for n in (6, 12, 24)]
    changes = [np.linalg.norm(b["u"] - a["u"]) for a, b in pairwise(tables)]
    assert 3 < changes[0] / changes[1] < 5


def test_what_is_committed_is_the_flow_of_fewer_squares() -> None:
    table = np.load("src/lightning_autobalance/problems/references/backward_facing_step.npz")
    coarse = at_corners(16, 2)
    place = {(x, y): i for i, (x, y) in enumerate(zip(table["x"], table["y"], strict=True))}
    rows = [place[each] for each in zip(coarse["x"], coarse["y"], strict=True)]
    assert np.linalg.norm(coarse["u"] - table["u"][rows]) < 0.02 * np.linalg.norm(table["u"])
