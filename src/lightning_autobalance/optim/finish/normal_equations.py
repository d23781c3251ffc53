r"""Damped least squares, :math:`(J^T J + \mu I) \, p = J^T q`: by rows, by parameters, or by products with J alone."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lightning_autobalance.jacobian import RowJacobian
from lightning_autobalance.shapes import Gradient, Rows

BLOCK = 256  # rows of a block of a symmetric product


@runtime_checkable
class Solver(Protocol):
    """Solves for several right-hand sides and dampings with one Jacobian."""

    square_norm: float
    """Sum of the squares of the entries of J."""

    def factorise(self, damping: float) -> bool:
        """Get ready for a damping; False where the matrix is not numerically positive definite."""

    def solve(self, rows: Rows) -> Gradient:
        """The p of a right-hand side q, (N,)."""

    def times(self, vector: Gradient) -> Rows:
        """J p, (N,)."""

    def transposed_times(self, vector: Rows) -> Gradient:
        """J^T q, (n,)."""


class DenseSolver:
    r"""With J as a matrix, by Cholesky's method on the smaller of :math:`J J^T` (N < n) and :math:`J^T J`.

    Args:
        jacobian: J, (N, n).
    """

    def __init__(self, jacobian: Tensor) -> None:
        self.jacobian = jacobian
        self.by_rows = jacobian.shape[0] < jacobian.shape[1]
        self.matrix = gram(jacobian if self.by_rows else jacobian.T)
        self.square_norm = float(self.matrix.diagonal().sum())
        self._factor = self.matrix

    def factorise(self, damping: float) -> bool:
        """Get ready for a damping; False where the matrix is not numerically positive definite."""
        damped = self.matrix.clone()
        damped.diagonal().add_(damping)
        self._factor, info = torch.linalg.cholesky_ex(damped)
        return int(info) == 0

    def solve(self, rows: Rows) -> Gradient:
        """The p of a right-hand side q, (N,)."""
        if self.by_rows:
            return self.jacobian.T @ torch.cholesky_solve(rows[:, None], self._factor)[:, 0]
        return torch.cholesky_solve((self.jacobian.T @ rows)[:, None], self._factor)[:, 0]

    def times(self, vector: Gradient) -> Rows:
        """J p, (N,)."""
        return self.jacobian @ vector

    def transposed_times(self, vector: Rows) -> Gradient:
        """J^T q, (n,)."""
        return self.jacobian.T @ vector


class ConjugateGradients:
    r"""By products with J and its transpose alone: the conjugate gradient method, preconditioned by the diagonal.

    Args:
        jacobian: J, (N, n).
        iterations: Largest number per solution.
        tolerance: Norm of the residual, relative to that of the right-hand side, at which a solution ends.
    """

    def __init__(self, jacobian: RowJacobian, iterations: int, tolerance: float) -> None:
        self.jacobian = jacobian
        self.iterations = iterations
        self.tolerance = tolerance
        self.diagonal = jacobian.column_squares()
        self.square_norm = float(self.diagonal.sum())
        self._damping = 0.0

    def factorise(self, damping: float) -> bool:
        """Note the damping."""
        self._damping = damping
        return True

    def solve(self, rows: Rows) -> Gradient:
        """The p of a right-hand side q, (N,)."""
        inverse = 1 / (self.diagonal + self._damping)
        residual = self.jacobian.transposed_times(rows)
        limit = self.tolerance * float(residual.norm())
        p = torch.zeros_like(residual)
        direction = z = inverse * residual
        product = residual @ z
        for _ in range(self.iterations):
            if float(residual.norm()) <= limit:
                break
            applied = self.jacobian.transposed_times(self.jacobian.times(direction)) + self._damping * direction
            length = product / (direction @ applied)
            p = p + length * direction
            residual = residual - length * applied
            z = inverse * residual
            product, before = residual @ z, product
            direction = z + (product / before) * direction
        return p

    def times(self, vector: Gradient) -> Rows:
        """J p, (N,)."""
        return self.jacobian.times(vector)

    def transposed_times(self, vector: Rows) -> Gradient:
        """J^T q, (n,)."""
        return self.jacobian.transposed_times(vector)


def gram(matrix: Tensor) -> Tensor:
    """The lower triangle of a matrix times its transpose, (r, r), in little more than half the time of the whole.

    Args:
        matrix: (r, c).

    Returns:
        What is above the blocks of the diagonal is zero.
    """
    found = matrix.new_zeros((len(matrix), len(matrix)))
    for start in range(0, len(matrix), BLOCK):
        stop = min(start + BLOCK, len(matrix))
        torch.mm(matrix[start:stop], matrix[:stop].T, out=found[start:stop, :stop])
    return found
