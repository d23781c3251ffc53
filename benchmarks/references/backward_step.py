"""Steady flow over a backward-facing step by finite differences on a staggered grid and Newton's method.

On [0, 4] x [0, 2] without [0, 2] x [1, 2], nu = 0.01: u = 4 y (1 - y) at x = 0, no slip at the walls, p = 0 and v = 0
at x = 4. Squares of side 1/n with u and v in the middle of their sides and p in their centres (marker and cell), fluxes
by central differences: of order 2 but near the corner of the step, where the pressure has a singularity. The
errors stated are relative L2 differences from squares twice as large, at the points of the table; that of v is largest,
which goes to zero in a thin layer before the outlet.
"""

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from benchmarks.references.table import Errors, Table, relative_l2

Real = NDArray[np.float64]
Mask = NDArray[np.bool_]
VISCOSITY = 0.01


def _average(m: int) -> sparse.csr_array:
    """Of neighbours, (m - 1, m)."""
    return sparse.csr_array(sparse.diags_array([0.5, 0.5], offsets=[0, 1], shape=(m - 1, m)))


def _difference(m: int) -> sparse.csr_array:
    """Of neighbours, (m - 1, m)."""
    return sparse.csr_array(sparse.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(m - 1, m)))


def _with_ends(inner: sparse.csr_array, first: float, last: float) -> sparse.csr_array:
    """A row for the first and for the last column, before and after the others."""
    m = inner.shape[1]
    ends = [
        sparse.csr_array(([weight], ([0], [column])), shape=(1, m)) for weight, column in ((first, 0), (last, m - 1))
    ]
    return sparse.csr_array(sparse.vstack([ends[0], inner, ends[1]]))


@dataclass
class Channel:
    """The grid; arrays are flat, x the slower index.

    Args:
        n: Squares per unit of length.
    """

    n: int
    fluid: Mask = field(init=False)

    def __post_init__(self) -> None:
        """Which squares are fluid."""
        self.fluid = np.ones((4 * self.n, 2 * self.n), bool)
        self.fluid[: 2 * self.n, self.n :] = False

    @property
    def free(self) -> tuple[Mask, Mask, Mask]:
        """Where u, v and p are unknown: between two squares of fluid, u also at the outlet."""
        u = np.zeros((4 * self.n + 1, 2 * self.n), bool)
        u[1:-1] = self.fluid[1:] & self.fluid[:-1]
        u[-1] = True
        v = np.zeros((4 * self.n, 2 * self.n + 1), bool)
        v[:, 1:-1] = self.fluid[:, 1:] & self.fluid[:, :-1]
        return u, v, self.fluid

    @property
    def inner(self) -> Mask:
        """Corners of squares that are surrounded by fluid, (4 n + 1, 2 n + 1)."""
        found = np.zeros((4 * self.n + 1, 2 * self.n + 1), bool)
        f = self.fluid
        found[1:-1, 1:-1] = f[1:, 1:] & f[1:, :-1] & f[:-1, 1:] & f[:-1, :-1]
        return found

    @property
    def start(self) -> Real:
        """Nothing but the inflow, u, v and p one after the other."""
        u, v, p = (np.zeros(mask.shape) for mask in self.free)
        y = (np.arange(self.n) + 0.5) / self.n
        u[0, : self.n] = 4 * y * (1 - y)
        return np.concatenate([u.ravel(), v.ravel(), p.ravel()])


def solution(n: int) -> tuple[Channel, list[Real]]:
    """The grid, and u, v and p in their places on it."""
    grid = Channel(n)
    free = np.concatenate([mask.ravel() for mask in grid.free])
    w = grid.start
    system = Equations(grid)
    for _ in range(20):
        residual, slope = system(w)
        step = spsolve(sparse.csc_array(slope[free][:, free]), -residual[free])
        w[free] += step
        if np.abs(step).max() < 1e-10:
            sizes = np.cumsum([mask.size for mask in grid.free])[:2]
            return grid, [f.reshape(m.shape) for f, m in zip(np.split(w, sizes), grid.free, strict=True)]
    raise RuntimeError(f"`backward_step` must converge in 20 steps, got a last step of {np.abs(step).max():.1e}.")


class Equations:
    """Both momentum equations and continuity, in the places of u, v and p, and their derivatives by these.

    Args:
        grid: Whose arrays they take.
    """

    def __init__(self, grid: Channel) -> None:
        n, h = grid.n, 1 / grid.n
        rows, columns = 4 * n, 2 * n
        one_x, one_y = sparse.eye_array(rows), sparse.eye_array(columns)
        nodes_x, nodes_y = sparse.eye_array(rows + 1), sparse.eye_array(columns + 1)
        inner = sparse.diags_array(grid.inner.ravel().astype(float))
        shape = (rows + 1, columns + 1)
        at_lip, at_back = (np.ones(shape) for _ in range(2))  # a wall is half as far away as a neighbour
        at_lip[: 2 * n + 1, n] = 2
        at_back[2 * n, n:] = 2
        kron = sparse.kron
        self.u_mid = kron(_average(rows + 1), one_y)
        self.v_mid = kron(one_x, _average(columns + 1))
        self.u_x = kron(_difference(rows + 1), one_y) / h
        self.v_y = kron(one_x, _difference(columns + 1)) / h
        self.u_node = inner @ kron(nodes_x, _with_ends(_average(columns), 0, 0))
        self.v_node = inner @ kron(_with_ends(_average(rows), 0, 0), nodes_y)
        lip, back = sparse.diags_array(at_lip.ravel()), sparse.diags_array(at_back.ravel())
        self.u_y = lip @ kron(nodes_x, _with_ends(_difference(columns), 2, -2)) / h
        self.v_x = back @ kron(_with_ends(_difference(rows), 2, -2), nodes_y) / h
        # differences of fluxes, over the outlet of those mirrored there: p changes its sign, u_x too, u² does not
        self.by_x = kron(_with_ends(_difference(rows), 0, -2), one_y) / h
        self.by_x_even = kron(_with_ends(_difference(rows), 0, 0), one_y) / h
        self.by_y = kron(one_x, _with_ends(_difference(columns), 0, 0)) / h
        self.node_by_y = kron(nodes_x, _difference(columns + 1)) / h
        self.node_by_x = kron(_difference(rows + 1), nodes_y) / h
        self.sizes = np.cumsum([mask.size for mask in grid.free])[:2]

    def __call__(self, w: Real) -> tuple[Real, sparse.csr_array]:
        """Residual and its derivative by all values, the fixed ones too."""
        u, v, p = np.split(w, self.sizes)
        diag = sparse.diags_array
        u_mid, v_mid, u_node, v_node = self.u_mid @ u, self.v_mid @ v, self.u_node @ u, self.v_node @ v
        viscous_u = VISCOSITY * (self.by_x @ self.u_x + self.node_by_y @ self.u_y)
        viscous_v = VISCOSITY * (self.by_y @ self.v_y + self.node_by_x @ self.v_x)
        residual = [
            self.by_x_even @ u_mid**2 + self.by_x @ p + self.node_by_y @ (u_node * v_node) - viscous_u @ u,
            self.by_y @ (v_mid**2 + p) + self.node_by_x @ (u_node * v_node) - viscous_v @ v,
            self.u_x @ u + self.v_y @ v,
        ]
        mixed_u, mixed_v = diag(v_node) @ self.u_node, diag(u_node) @ self.v_node
        u_by_u = self.by_x_even @ diag(2 * u_mid) @ self.u_mid + self.node_by_y @ mixed_u - viscous_u
        v_by_v = self.by_y @ diag(2 * v_mid) @ self.v_mid + self.node_by_x @ mixed_v - viscous_v
        slope = [
            [u_by_u, self.node_by_y @ mixed_v, self.by_x],
            [self.node_by_x @ mixed_u, v_by_v, self.by_y],
            [self.u_x, self.v_y, None],
        ]
        return np.concatenate(residual), sparse.csr_array(sparse.block_array(slope))


def backward_step(n: int = 64, stride: int = 2) -> tuple[Table, Errors]:
    """The flow inside the channel on a grid of stride / n, and its errors."""
    fine, coarse = at_corners(n, stride), at_corners(n // 2, stride // 2)
    return fine, {name: relative_l2(coarse[name], fine[name]) for name in "uvp"}


def at_corners(n: int, stride: int) -> Table:
    """u, v and p at every so many corners of squares that are surrounded by fluid.

    Args:
        n: Squares per unit of length.
        stride: Squares from one corner to the next.
    """
    grid, (u, v, p) = solution(n)
    u, v = (u[:, 1:] + u[:, :-1]) / 2, (v[1:] + v[:-1]) / 2
    p = reduce(np.add, (p[1:, 1:], p[1:, :-1], p[:-1, 1:], p[:-1, :-1])) / 4
    kept = np.zeros(grid.inner.shape, bool)
    kept[::stride, ::stride] = True
    kept &= grid.inner
    i, j = np.nonzero(kept)
    x, y, kept = i / n, j / n, kept[1:-1, 1:-1]
    return {"x": x, "y": y, "u": u[1:-1][kept], "v": v[:, 1:-1][kept], "p": p[kept]}
