"""-Δu = 1 with u = 0 on the boundary, on the L-shape and on a square with three holes, error below 1e-8.

u is one particular solution plus harmonic functions, fitted to the boundary values by least squares: Im z^(2k/3) at a
corner of 270 degrees, Re and Im of powers of z and, around every hole, of 1/z and log|z|; clusters of poles at the
corners take their singularities. By the maximum principle no point of the inside has a larger error than the boundary,
which is the error that is stated.

Reference: L. N. Trefethen and A. Gopal, "Solving Laplace problems with corner singularities via rational functions",
SIAM J. Numer. Anal. 57, 2019.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from benchmarks.references.table import Errors, Table

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]
HOLES = ((0.3 + 0.3j, 0.1), (0.7 + 0.4j, 0.12), (0.4 + 0.75j, 0.1))  # centres and radii in the unit square


@dataclass(frozen=True)
class Harmonics:
    """A family of harmonic functions.

    Args:
        corners: Corners of the polygon, counterclockwise.
        center: Centre of the polynomials.
        degree: Their degree.
        poles: Number of poles at each corner, outside, exponentially closer.
        holes: Centre and radius of each hole.
        powers: Number of powers of 1/(z - center) of each hole.
    """

    corners: Sequence[complex]
    center: complex
    degree: int
    poles: int
    holes: Sequence[tuple[complex, float]] = ()
    powers: int = 0

    def __call__(self, z: Complex) -> Real:
        """Their values, (b,) to (b, m)."""
        columns = [((z - self.center) / 1.5) ** k for k in range(self.degree + 1)]
        columns += [d / (z - pole) for pole, d in corner_poles(self.corners, self.poles)]
        columns += [(r / (z - c)) ** k for c, r in self.holes for k in range(1, self.powers + 1)]
        logs = [np.log(np.abs(z - c)) for c, _ in self.holes]
        analytic = np.stack(columns, axis=1)
        return np.concatenate([analytic.real, analytic.imag, *(log[:, None] for log in logs)], axis=1)


def corner_poles(corners: Sequence[complex], count: int) -> list[tuple[complex, float]]:
    """Places outside, on the bisector of every corner, exponentially closer, and their distances to it.

    Args:
        corners: Of a polygon, counterclockwise.
        count: Number of poles at each corner.
    """
    distances = 1.5 * np.exp(-4 * (np.sqrt(count) - np.sqrt(np.arange(1, count + 1))))
    found = []
    for before, corner, after in zip(np.roll(corners, 1), corners, np.roll(corners, -1), strict=True):
        towards_inside = (before - corner) / abs(before - corner) + (after - corner) / abs(after - corner)
        turn = ((corner - before).conjugate() * (after - corner)).imag  # negative at a reentrant corner
        outside = -np.sign(turn) * towards_inside / abs(towards_inside)
        found += [(corner + distance * outside, distance) for distance in distances]
    return found


def edges(corners: Sequence[complex], count: int) -> Complex:
    """Points of a polygon's edges, crowded at the corners."""
    s = 0.5 * (1 + np.tanh(np.linspace(-16, 16, count)))
    pairs = zip(corners, np.roll(corners, -1), strict=True)
    return np.concatenate([a + s * (b - a) for a, b in pairs])


def circles(holes: Sequence[tuple[complex, float]], count: int) -> Complex:
    """Points of circles."""
    turn = np.exp(2j * pi * np.arange(count) / count)
    return np.concatenate([np.zeros(0, complex), *(c + r * turn for c, r in holes)])


def fitted(family: Harmonics, boundary: Complex, between: Complex) -> tuple[Callable[[Complex], Real], float]:
    """The solution, and the largest error on the boundary at other points than those of the fit."""
    matrix = family(boundary)
    scale = np.abs(matrix).max(axis=0) + 1e-300
    weights = np.linalg.lstsq(matrix / scale, particular(boundary), rcond=1e-14)[0] / scale

    def solution(z: Complex) -> Real:
        values: Real = family(z) @ weights - particular(z)
        return values

    return solution, float(np.abs(solution(between)).max())


def particular(z: Complex) -> Real:
    """|z|²/4, whose Laplacian is 1."""
    return np.asarray(np.abs(z) ** 2 / 4)


def l_shape() -> tuple[Table, Errors]:
    """The L-shape [-1, 1]² without [0, 1]², on a grid of 1/40, and its error."""
    corners = (-1 - 1j, 1 - 1j, 1 + 0j, 0j, 0 + 1j, -1 + 1j)
    family = Harmonics(corners, -0.3 - 0.3j, degree=24, poles=64)
    u, error = fitted(family, edges(corners, 600), edges(corners, 1237))
    x, y = (each.ravel() for each in np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81)))
    inside = (x <= 0) | (y <= 0)
    return _table(x[inside], y[inside], u), {"u": error}


def three_holes() -> tuple[Table, Errors]:
    """The unit square without three disks, on a grid of 1/80, and its error."""
    corners = (0j, 1 + 0j, 1 + 1j, 1j)
    family = Harmonics(corners, 0.5 + 0.5j, degree=24, poles=16, holes=HOLES, powers=24)
    boundary, between = (np.concatenate([edges(corners, n), circles(HOLES, n)]) for n in (400, 1237))
    u, error = fitted(family, boundary, between)
    x, y = (each.ravel() for each in np.meshgrid(np.linspace(0, 1, 81), np.linspace(0, 1, 81)))
    inside = np.all([np.abs(x + 1j * y - c) >= r for c, r in HOLES], axis=0)
    return _table(x[inside], y[inside], u), {"u": error}


def _table(x: Real, y: Real, u: Callable[[Complex], Real]) -> Table:
    return {"x": x, "y": y, "u": u(x + 1j * y)}
