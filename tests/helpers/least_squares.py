"""Small nonlinear least squares, as objectives of finishers."""

from collections.abc import Callable

import torch
from torch import Tensor

from lightning_autobalance.jacobian import DenseBlock, RowJacobian


class LeastSquares:
    """The loss of a function from parameters to rows.

    Args:
        function: (n,) to (N,).
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.evaluations = 0

    def rows(self, weights: Tensor) -> Tensor:
        self.evaluations += 1
        return self.function(weights)

    def loss(self, weights: Tensor) -> Tensor:
        rows = self.rows(weights)
        return rows @ rows

    def gradient(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        point = weights.clone().requires_grad_()
        loss = self.loss(point)
        return loss.detach(), torch.autograd.grad(loss, point)[0]

    def jacobian(self, weights: Tensor) -> tuple[Tensor, RowJacobian]:
        matrix = torch.autograd.functional.jacobian(self.function, weights)
        block = DenseBlock(slice(0, matrix.shape[0]), slice(0, matrix.shape[1]), matrix)
        return self.rows(weights), RowJacobian([block], (matrix.shape[0], matrix.shape[1]), matrix)


def rosenbrock(w: Tensor) -> Tensor:
    """Rows whose squares sum to Rosenbrock's function: its minimum, 0, is at (1, 1)."""
    return torch.stack([10 * (w[1] - w[0] ** 2), 1 - w[0]])


ROSENBROCK = torch.tensor([-1.2, 1.0], dtype=torch.float64)
"""The usual start."""


def linear(rows: int, parameters: int, rank: int | None = None) -> tuple[LeastSquares, Tensor]:
    """A linear problem, and its smallest loss."""
    generator = torch.Generator().manual_seed(0)
    rank = min(rows, parameters) if rank is None else rank
    left, right = (
        torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((rows, rank), (rank, parameters))
    )
    matrix, target = left @ right, torch.randn(rows, generator=generator, dtype=torch.float64)
    best = target - matrix @ (torch.linalg.pinv(matrix) @ target)
    return LeastSquares(lambda w: matrix @ w - target), best @ best


def decay(count: int = 30) -> tuple[LeastSquares, Tensor]:
    """A sum of two exponentials fitted to noisy samples, and where to start."""
    generator = torch.Generator().manual_seed(0)
    t = torch.linspace(0, 3, count, dtype=torch.float64)
    noise = 0.01 * torch.randn(count, generator=generator, dtype=torch.float64)
    data = 2 * torch.exp(-t) + torch.exp(-4 * t) + noise
    start = torch.tensor([1.0, 0.5, 1.5, 3.0], dtype=torch.float64)
    return LeastSquares(lambda w: w[0] * torch.exp(-w[1] * t) + w[2] * torch.exp(-w[3] * t) - data), start
