"""u_t = 0.001 Δu + 5 sin(u²) (1 + 2 sin(πt/4)) sin(4πx) sin(2πy) on the unit square, u = 0 on its edge, t up to 100.

Sines in space, on n - 1 points in each direction, and the classical Runge-Kutta method of order 4 in time with the
diffusion integrated exactly. The error stated is the relative L2 difference from two thirds of the points and longer
steps, and so far above that of what is stored.
"""

from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dstn, idstn

from benchmarks.references.table import Errors, Table, relative_l2

Real = NDArray[np.float64]


def solution(n: int, step: float, times: Real) -> Real:
    """U at the times, multiples of the step, on the points of the inside, (len(times), n - 1, n - 1).

    Args:
        n: Number of intervals in each direction.
        step: Of the time.
        times: Increasing, from 0 on.
    """
    s, k = np.arange(1, n) / n, np.arange(1, n)
    x, y = np.meshgrid(s, s, indexing="ij")
    half = np.exp(-0.001 * pi**2 * (k[:, None] ** 2 + k**2) * step / 2)
    shape = np.sin(4 * pi * x) * np.sin(2 * pi * y)

    def reaction(modes: Real, t: float) -> Real:
        made: Real = dstn(5 * np.sin(idstn(modes, type=1) ** 2) * (1 + 2 * np.sin(pi * t / 4)) * shape, type=1)
        return made

    u = dstn(np.sin(4 * pi * x) * np.sin(3 * pi * y), type=1)
    kept, found = set(np.rint(times / step).astype(int)), []
    for i in range(round(times[-1] / step) + 1):
        if i in kept:
            found.append(idstn(u, type=1))
        t = i * step
        a = reaction(u, t)
        b = reaction(half * (u + step / 2 * a), t + step / 2)
        c = reaction(half * u + step / 2 * b, t + step / 2)
        d = reaction(half**2 * u + step * half * c, t + step)
        u = half**2 * u + step / 6 * (half**2 * a + 2 * half * (b + c) + d)
    return np.array(found)


def table(n: int, step: float, times: Real, intervals: int) -> Table:
    """The solution on a coarser grid, its edge included.

    Args:
        n: Number of intervals of the solver, a multiple of those of the table.
        step: Of the time.
        times: Those of the table.
        intervals: Those of the table in each direction.
    """
    u = np.pad(solution(n, step, times), ((0, 0), (1, 1), (1, 1)))[:, :: n // intervals, :: n // intervals]
    s = np.linspace(0, 1, intervals + 1)
    t, x, y = np.meshgrid(times, s, s, indexing="ij")
    return {"x": x.ravel(), "y": y.ravel(), "t": t.ravel(), "u": u.ravel()}


def heat_long_time(n: int = 192, step: float = 0.0125) -> tuple[Table, Errors]:
    """The solution on a grid of 1/24 at every time unit, and its error."""
    times = np.linspace(0, 100, 101)
    fine, coarse = table(n, step, times, 24), table(2 * n // 3, step * 1.6, times, 16)
    return fine, {"u": _difference(fine, coarse)}


def _difference(fine: Table, coarse: Table) -> float:
    """On the points of both grids, eighths."""
    common = []
    for each in (fine, coarse):
        on = np.isclose(each["x"] * 8 % 1, 0) & np.isclose(each["y"] * 8 % 1, 0)
        common.append(each["u"][on])
    return relative_l2(common[1], common[0])
