r"""Damped least squares, :math:`(J^T J + \mu I) \, p = J^T q`, for several right-hand sides and dampings."""

import torch
from torch import Tensor

from lightning_autobalance.shapes import Gradient, RowMatrix, Rows

BLOCK = 256  # rows of a block of a symmetric product


class NormalEquations:
    r"""Solves by Cholesky's method with the smaller of :math:`J J^T` (N < n) and :math:`J^T J`.

    Args:
        jacobian: J, (N, n).

    Attributes:
        square_norm: Sum of the squares of the entries of J.
    """

    def __init__(self, jacobian: RowMatrix) -> None:
        self.jacobian = jacobian
        self.by_rows = jacobian.shape[0] < jacobian.shape[1]
        self.matrix = gram(jacobian if self.by_rows else jacobian.T)
        self._diagonal = self.matrix.diagonal().clone()
        self.square_norm = float(self._diagonal.sum())
        self._factor = self.matrix.new_empty(self.matrix.shape).mT  # by columns, as LAPACK's result, without a copy
        self._info = torch.zeros((), dtype=torch.int32, device=self.matrix.device)

    def factorise(self, damping: float) -> bool:
        """Get ready for a damping; False where the matrix is not numerically positive definite."""
        self.matrix.diagonal().copy_(self._diagonal + damping)
        torch.linalg.cholesky_ex(self.matrix, out=(self._factor, self._info))
        return int(self._info) == 0

    def solve(self, rows: Rows) -> Gradient:
        """The p of a right-hand side q, (N,)."""
        if self.by_rows:
            return self.jacobian.T @ torch.cholesky_solve(rows[:, None], self._factor)[:, 0]
        return torch.cholesky_solve((self.jacobian.T @ rows)[:, None], self._factor)[:, 0]

    def times(self, vector: Gradient) -> Rows:
        """J p, (N,)."""
        return self.jacobian @ vector


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
