"""u_t = L u + M g(u) on the periodic interval [-1, 1]: Fourier in x, an implicit Runge-Kutta method in t.

Derivatives are exact for trigonometric polynomials at n points in x; Radau (order 5) of scipy controls the error in t.
The error stated is the relative L2 difference from half as many points and a tolerance 100 times looser.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from benchmarks.references.table import Errors, Table, relative_l2

Real = NDArray[np.float64]
POINTS = 64  # of the table in x, and one more for the other end
TIMES = 50


@dataclass(frozen=True)
class Equation:
    """What differs between the equations.

    Args:
        linear: Weight of the derivative by its order; 0 is u itself.
        nonlinear: Order of the derivative that is applied to g(u), and its weight.
        g: A function of u.
        slope: Its derivative.
        start: u at t = 0.
        end: The last t.
    """

    linear: dict[int, float]
    nonlinear: tuple[int, float]
    g: Callable[[Real], Real]
    slope: Callable[[Real], Real]
    start: Callable[[Real], Real]
    end: float

    def solved(self, n: int, tolerance: float) -> Real:
        """Values (TIMES + 1, POINTS + 1), both ends of the interval included."""
        linear = sum(weight * differentiation(n, order) for order, weight in self.linear.items())
        order, weight = self.nonlinear
        outer = weight * differentiation(n, order)
        found = solve_ivp(
            lambda _, u: linear @ u + outer @ self.g(u),
            (0, self.end),
            self.start(-1 + 2 * np.arange(n) / n),
            method="Radau",
            t_eval=np.linspace(0, self.end, TIMES + 1),
            jac=lambda _, u: linear + outer * self.slope(u),
            rtol=tolerance,
            atol=tolerance,
        )
        if not found.success:
            raise RuntimeError(found.message)
        u = found.y.T[:, :: n // POINTS]
        return np.concatenate([u, u[:, :1]], axis=1)

    def table(self, n: int) -> tuple[Table, Errors]:
        """The solution on a grid, and its error."""
        fine, coarse = self.solved(n, 1e-9), self.solved(n // 2, 1e-7)
        x, t = np.meshgrid(np.linspace(-1, 1, POINTS + 1), np.linspace(0, self.end, TIMES + 1))
        return {"x": x.ravel(), "t": t.ravel(), "u": fine.ravel()}, {"u": relative_l2(coarse, fine)}


def differentiation(n: int, order: int) -> Real:
    """The derivative of a trigonometric polynomial on [-1, 1) at its n points, (n, n)."""
    k = np.pi * np.fft.fftfreq(n, 1 / n)
    k[n // 2] *= order % 2 == 0  # the highest mode has no odd derivative on the grid
    made: Real = np.fft.ifft((1j * k[:, None]) ** order * np.fft.fft(np.eye(n), axis=0), axis=0).real
    return made


def allen_cahn(n: int = 512) -> tuple[Table, Errors]:
    """u_t = 0.001 u_xx + 5 (u - u³), u = x² cos(πx) at t = 0, whose derivative jumps where the ends meet; t up to 1."""
    equation = Equation(
        linear={2: 0.001, 0: 5.0},
        nonlinear=(0, -5.0),
        g=lambda u: u**3,
        slope=lambda u: 3 * u**2,
        start=lambda x: x**2 * np.cos(np.pi * x),
        end=1.0,
    )
    return equation.table(n)


def kuramoto_sivashinsky(n: int = 128) -> tuple[Table, Errors]:
    """u_t + 5 u u_x + 0.5 u_xx + 0.005 u_xxxx = 0, u = -sin(πx) at t = 0, t up to 0.2."""
    equation = Equation(
        linear={2: -0.5, 4: -0.005},
        nonlinear=(1, -2.5),
        g=lambda u: u**2,
        slope=lambda u: 2 * u,
        start=lambda x: -np.sin(np.pi * x),
        end=0.2,
    )
    return equation.table(n)
