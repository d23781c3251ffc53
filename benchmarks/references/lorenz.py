"""Lorenz's equations by the Runge-Kutta method of order 8 of scipy.

The errors stated are relative L2 differences from a tolerance 100 times looser.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from benchmarks.references.table import Errors, Table, relative_l2

Real = NDArray[np.float64]
TIMES = np.linspace(0, 3, 601)


def solved(tolerance: float) -> Real:
    """x, y and z with sigma 10, rho 15 and beta 8/3 from (-8, 7, 27), (3, 601)."""
    found = solve_ivp(
        lambda _, s: [10 * (s[1] - s[0]), s[0] * (15 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]],
        (0, TIMES[-1]),
        [-8.0, 7.0, 27.0],
        method="DOP853",
        t_eval=TIMES,
        rtol=tolerance,
        atol=tolerance,
    )
    return np.asarray(found.y)


def lorenz() -> tuple[Table, Errors]:
    """The states at 601 even times up to 3, and their errors."""
    fine, coarse = solved(1e-12), solved(1e-10)
    return {"t": TIMES, **dict(zip("xyz", fine, strict=True))}, {
        name: relative_l2(coarse[i], fine[i]) for i, name in enumerate("xyz")
    }
