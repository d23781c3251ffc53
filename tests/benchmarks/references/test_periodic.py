"""Fourier in x, exponential time differencing in t: closed forms, and the orders of convergence."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.references.periodic import ALLEN_CAHN, GRAY_SCOTT, KDV, KURAMOTO_SIVASHINSKY, Equation

RING = (0.0, 2 * np.pi)


def sine(x: np.ndarray) -> np.ndarray:
    return np.sin(x)[None]


@pytest.mark.parametrize(("order", "weight"), [(0, -1.0), (1, 2.0), (2, 0.5), (3, -1.0), (4, -0.3)])
def test_linear_equations_in_closed_form(order: int, weight: float) -> None:
    found = Equation([{order: weight}], 0, np.zeros_like, sine, RING, 1.0).solved(16, 10, 10)
    x, t = np.meshgrid(2 * np.pi * np.arange(16) / 16, np.linspace(0, 1, 11))
    rate = weight * 1j**order
    assert found[0] == pytest.approx((np.exp(rate * t) * np.exp(1j * x)).imag, abs=1e-12)


def test_growth_towards_a_stable_state_in_closed_form() -> None:
    logistic = Equation([{0: 1.0}], 0, lambda u: -(u**2), lambda x: 0.1 + 0 * x[None], RING, 2.0)
    table, errors = logistic.table("u", n=16, steps=200, points=8, times=10)
    assert table["u"] == pytest.approx(1 / (1 + 9 * np.exp(-table["t"])), abs=1e-9)
    assert errors["u"] < 1e-7
    assert len(table["x"]) == 9 * 11


def test_a_soliton_keeps_its_shape() -> None:
    def soliton(x: np.ndarray) -> np.ndarray:
        return 3 / np.cosh(x[None] / 2) ** 2  # of u_t + u u_x + u_xxx = 0, at a speed of 1

    kdv = Equation([{3: -1.0}], 1, lambda u: -(u**2) / 2, soliton, (-20.0, 20.0), 5.0)
    found = kdv.solved(256, 500, 5)
    assert found[0, 4] == pytest.approx(soliton(-20 + 40 * np.arange(256) / 256 - 4)[0], abs=1e-5)


@pytest.mark.parametrize(
    ("equation", "n", "steps"),
    [
        (KDV, 128, 200),
        (GRAY_SCOTT, 128, 100),
        (ALLEN_CAHN, 256, 100),
        (replace(KURAMOTO_SIVASHINSKY, end=0.05), 128, 100),
    ],
    ids=["kdv", "gray_scott", "allen_cahn", "kuramoto_sivashinsky"],
)
def test_the_order_in_time_is_four(equation: Equation, n: int, steps: int) -> None:
    coarse, medium, fine = (equation.solved(n, k * steps, 1)[:, -1] for k in (1, 2, 4))
    order = np.log2(np.abs(coarse - medium).max() / np.abs(medium - fine).max())
    assert order == pytest.approx(4, abs=0.4)


def test_the_error_falls_faster_than_any_order_in_space() -> None:
    fine = KDV.solved(256, 1000, 1)[0, -1]
    errors = [np.abs(KDV.solved(n, 1000, 1)[0, -1] - fine[:: 256 // n]).max() for n in (32, 64, 128)]
    assert errors[1] < errors[0] / 20
    assert errors[2] < errors[1] / 1000


def test_what_is_conserved_stays() -> None:
    u = KDV.solved(128, 1000, 4)[0]
    assert u.mean(axis=1) == pytest.approx(np.zeros(5), abs=1e-12)
    assert (u**2).mean(axis=1) == pytest.approx(np.full(5, 0.5), abs=1e-7)
