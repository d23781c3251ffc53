"""Squares with four holes: Laplace's equation and the screened one, -Δu + 64 u = f, error below 1e-5.

u is a particular solution plus solutions of the homogeneous equation, fitted to the boundary values by least squares:
those of `membrane` for Laplace's equation, and modified Bessel functions, I_n around the middle of the square and K_n
around the holes and poles outside the corners, for the screened one. Both have a maximum principle: no point of the
inside has a larger error than the boundary. The error stated is that one, at other points than those of the fit,
relative to the largest value of u.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.special import ive, kve

from benchmarks.references.membrane import Harmonics, circles, corner_poles, edges
from benchmarks.references.table import Errors, Table

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]
Function = Callable[[Complex], Real]
Holes = Sequence[tuple[complex, float]]
SQUARE = (-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j)
CLASSIC: Holes = [(x + 1j * y, 0.1) for x in (-0.3, 0.3) for y in (-0.3, 0.3)]
CHARGES: Holes = [(0.5 + 0.5j, 0.2), (0.4 - 0.4j, 0.4), (-0.2 - 0.7j, 0.1), (-0.6 + 0.5j, 0.3)]


@dataclass(frozen=True)
class Bessel:
    """Solutions of Δu = k² u on a square with holes, scaled to about one.

    Args:
        k: Inverse of the screening length.
        corners: Of the square around 0, counterclockwise.
        holes: Centre and radius of each.
        degree: Highest order of I_n around 0.
        powers: Highest order of K_n around every hole.
        poles: Number of poles at each corner.
    """

    k: float
    corners: Sequence[complex]
    holes: Holes
    degree: int
    powers: int
    poles: int

    def __call__(self, z: Complex) -> Real:
        """Their values, (b,) to (b, m)."""
        size = abs(self.corners[0])
        columns = self._waves(z, lambda n, r: ive(n, self.k * r) * np.exp(self.k * (r - size)), size, self.degree)
        sources = [(c, r, self.powers) for c, r in self.holes]
        sources += [(pole, distance, 1) for pole, distance in corner_poles(self.corners, self.poles)]
        for center, near, order in sources:
            away = lambda n, r, near=near: kve(n, self.k * r) * np.exp(self.k * (near - r))  # noqa: E731
            columns += self._waves(z - center, away, near, order)
        return np.stack(columns, axis=1)

    @staticmethod
    def _waves(z: Complex, radial: Callable[..., Real], size: float, order: int) -> list[Real]:
        """Products with sines and cosines, one at |z| = size."""
        found = []
        for n in range(order + 1):
            along = radial(n, np.abs(z)) / radial(n, np.float64(size))
            found += [along * np.cos(n * np.angle(z)), along * np.sin(n * np.angle(z))][: 1 + (n > 0)]
        return found


def fitted(
    family: Function, particular: Function, boundary: Callable[[int], tuple[Complex, Real]], count: int
) -> tuple[Function, float]:
    """The solution, and the largest error on the boundary between the points of the fit.

    Args:
        family: Homogeneous solutions, (b,) to (b, m).
        particular: One solution of the equation.
        boundary: Makes points of the boundary and the values there from their number on each edge.
        count: That number.
    """
    z, u = boundary(count)
    matrix = family(z)
    scale = np.abs(matrix).max(axis=0) + 1e-300
    weights = np.linalg.lstsq(matrix / scale, u - particular(z), rcond=1e-14)[0] / scale

    def solution(z: Complex) -> Real:
        values: Real = family(z) @ weights + particular(z)
        return values

    z, u = boundary(int(1.7 * count))
    return solution, float(np.abs(solution(z) - u).max() / np.abs(u).max())


def values_on(
    corners: Sequence[complex], holes: Holes, outer: float, inner: float
) -> Callable[[int], tuple[Complex, Real]]:
    """Points on the edges and the circles, and one value on each of the two.

    Args:
        corners: Of the square.
        holes: Centre and radius of each.
        outer: Value on the square.
        inner: Value on the circles.
    """

    def boundary(count: int) -> tuple[Complex, Real]:
        around, within = edges(corners, count), circles(holes, count)
        return np.concatenate([around, within]), np.repeat([outer, inner], [len(around), len(within)])

    return boundary


def source(x: Real, y: Real) -> Real:
    """F of the screened equation."""
    found: Real = 10 * (17 + x**2 + y**2) * np.sin(pi * x) * np.sin(4 * pi * y)
    return found


def particular(z: Complex, k: float = 8.0) -> Real:
    """-Δu + k² u = f: sines times 1 and x² + y², and what the product rule leaves of them."""
    x, y = z.real, z.imag
    lowest = k**2 + 17 * pi**2
    b = 10 / lowest
    c, d = 4 * pi * b / lowest, 16 * pi * b / lowest
    a = (170 + 4 * b - 2 * pi * c - 8 * pi * d) / lowest
    sines = np.sin(pi * x) * np.sin(4 * pi * y)
    mixed = c * x * np.cos(pi * x) * np.sin(4 * pi * y) + d * y * np.sin(pi * x) * np.cos(4 * pi * y)
    found: Real = (a + b * (x**2 + y**2)) * sines + mixed
    return found


def poisson_classic(degree: int = 64) -> tuple[Table, Errors]:
    """Laplace's equation, 1 on the square and 0 on the holes, on a grid of 1/80."""
    corners = [0.5 * corner for corner in SQUARE]
    family = Harmonics(corners, 0j, degree=degree, poles=0, holes=CLASSIC, powers=24)
    boundary = values_on(corners, CLASSIC, outer=1.0, inner=0.0)
    u, error = fitted(family, lambda z: 0 * z.real, boundary, 400)
    return _table(u, CLASSIC, np.linspace(-0.5, 0.5, 81)), {"u": error}


def poisson_boltzmann(degree: int = 60) -> tuple[Table, Errors]:
    """The screened equation, 0.2 on the square and 1 on the holes, on a grid of 1/50."""
    family = Bessel(8.0, SQUARE, CHARGES, degree=degree, powers=30, poles=24)
    u, error = fitted(family, particular, values_on(SQUARE, CHARGES, outer=0.2, inner=1.0), 400)
    return _table(u, CHARGES, np.linspace(-1, 1, 101)), {"u": error}


def _table(u: Function, holes: Holes, axis: Real) -> Table:
    x, y = (each.ravel() for each in np.meshgrid(axis, axis))
    inside = np.all([np.abs(x + 1j * y - c) >= r - 1e-12 for c, r in holes], axis=0)
    x, y = x[inside], y[inside]
    return {"x": x, "y": y, "u": u(x + 1j * y)}
