"""The lid-driven cavity by Chebyshev collocation of the stream function and Newton's method.

u = psi_y and v = -psi_x satisfy the continuity equation; psi solves

    u (lap psi)_x + v (lap psi)_y = nu lap lap psi

on (n + 1)² Chebyshev points, with psi = 0 on the walls and its normal derivative the wall's velocity. The pressure is
fitted to its gradient by least squares. It has a logarithmic singularity in the two upper corners, where the lid's
velocity and the walls' are not compatible with incompressibility; all else is smooth. The errors stated are relative L2
differences from degree n - 8.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from benchmarks.references.table import Errors, Table, relative_l2

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Chebyshev points of the unit square; fields are flat, (m²,), x the slower index.

    Args:
        n: Degree; n + 1 points in each direction.
    """

    n: int

    @property
    def x(self) -> Real:
        """Points in [0, 1], (n + 1,)."""
        return (1 - np.cos(np.pi * np.arange(self.n + 1) / self.n)) / 2

    def derivatives(self) -> tuple[Real, Real]:
        """Matrices of the derivatives by x and by y, ((n + 1)², (n + 1)²)."""
        n = self.n
        s, ends = 2 * self.x - 1, np.ones(n + 1)
        ends[[0, n]] = 2
        signs = ends * (-1.0) ** np.arange(n + 1)
        apart = s[:, None] - s + np.eye(n + 1)
        d = signs[:, None] / signs / apart
        d -= np.diag(d.sum(axis=1))
        one = np.eye(n + 1)
        return np.asarray(np.kron(2 * d, one)), np.asarray(np.kron(one, 2 * d))

    def values(self, field: Real, x: Real) -> Real:
        """A field on the tensor grid of x, (b,), to (b, b)."""
        degrees = chebyshev.chebvander(2 * self.x - 1, self.n)
        there = chebyshev.chebvander(2 * x - 1, self.n) @ np.linalg.inv(degrees)
        found: Real = there @ field.reshape(self.n + 1, -1) @ there.T
        return found


def lid_driven_cavity(n: int = 40) -> tuple[Table, Errors]:
    """Re = 100 with the lid's velocity 4 x (1 - x), on a grid of 1/50, and its errors."""
    s = np.linspace(0, 1, 51)
    fine, coarse = fields(n, s), fields(n - 8, s)
    x, y = np.meshgrid(s, s, indexing="ij")
    columns = dict(zip("uvp", (f.ravel() for f in fine), strict=True))
    return {"x": x.ravel(), "y": y.ravel(), **columns}, {
        k: relative_l2(coarse[i], fine[i]) for i, k in enumerate("uvp")
    }


def fields(n: int, s: Real, nu: float = 0.01) -> tuple[Real, Real, Real]:
    """u, v and p on the tensor grid of s; p is 0 at the corner (0, 0)."""
    grid = Grid(n)
    dx, dy = grid.derivatives()
    psi = stream_function(grid, dx, dy, nu)
    u, v = dy @ psi, -dx @ psi
    lap = dx @ dx + dy @ dy
    gradient = np.concatenate([nu * lap @ w - u * (dx @ w) - v * (dy @ w) for w in (u, v)])
    at_corner = np.zeros((1, psi.size))
    at_corner[0, 0] = 1
    p = np.linalg.lstsq(np.concatenate([dx, dy, at_corner]), np.append(gradient, 0.0))[0]
    on_grid = [grid.values(f, s) for f in (u, v, p)]
    return on_grid[0], on_grid[1], on_grid[2] - on_grid[2][0, 0]


def stream_function(grid: Grid, dx: Real, dy: Real, nu: float) -> Real:
    """Newton's method from rest."""
    lap = dx @ dx + dy @ dy
    lap_x, lap_y, biharmonic = dx @ lap, dy @ lap, lap @ lap
    rows, targets, free = conditions(grid, dx, dy)
    psi = np.zeros(len(dx))
    for _ in range(20):
        u, v = dy @ psi, -dx @ psi
        residual = u * (lap_x @ psi) + v * (lap_y @ psi) - nu * biharmonic @ psi
        slope = u[:, None] * lap_x + v[:, None] * lap_y - nu * biharmonic
        slope += (lap_x @ psi)[:, None] * dy - (lap_y @ psi)[:, None] * dx
        matrix = np.concatenate([slope[free], rows])
        step = np.linalg.solve(matrix, np.concatenate([-residual[free], targets - rows @ psi]))
        psi = psi + step
        if np.abs(step).max() < 1e-12:
            return psi
    raise RuntimeError(f"`lid_driven_cavity` must converge in 20 steps, got a last step of {np.abs(step).max():.1e}.")


def conditions(grid: Grid, dx: Real, dy: Real) -> tuple[Real, Real, NDArray[np.bool_]]:
    """Rows and targets of the walls, and the points where the equation holds.

    A wall's normal derivative takes the place of the equation in the points next to it.
    """
    m = grid.n + 1
    i, j = (each.ravel() for each in np.meshgrid(range(m), range(m), indexing="ij"))
    inner_x, inner_y = (i > 1) & (i < m - 2), (j > 1) & (j < m - 2)
    wall = (i == 0) | (i == m - 1) | (j == 0) | (j == m - 1)
    sides = ((dx, (i == 0) & (j > 0) & (j < m - 1)), (dx, (i == m - 1) & (j > 0) & (j < m - 1)))
    ends = ((dy, (j == 0) & inner_x), (dy, (j == m - 1) & inner_x))
    lid = 4 * grid.x[i] * (1 - grid.x[i])
    rows = [np.eye(m * m)[wall], *(d[at] for d, at in (*sides, *ends))]
    targets = [np.zeros(wall.sum())]
    targets += [np.where(j == m - 1, lid, 0.0)[at] if d is dy else np.zeros(at.sum()) for d, at in (*sides, *ends)]
    return np.concatenate(rows), np.concatenate(targets), inner_x & inner_y
