"""The Lanczos process: eigenvalues of a symmetric operator from a few products with it."""

from typing import NamedTuple

import torch
from torch import Tensor

from lightning_autobalance.jacobian.operators import Operator
from lightning_autobalance.shapes import Gradient


class Ritz(NamedTuple):
    """What the Lanczos process finds.

    Args:
        values: In rising order, (k,).
        weights: The share of the start vector's square that belongs to each, (k,); they sum to 1.
        errors: Each value is closer than this to an eigenvalue, (k,).
    """

    values: Tensor
    weights: Tensor
    errors: Tensor


def lanczos(operator: Operator, start: Gradient, steps: int) -> Ritz:
    r"""Ritz values of an operator, and how much of the start vector belongs to each.

    With an orthonormal basis Q of the Krylov space of ``start``, the eigenvalues of the tridiagonal
    :math:`T = Q^T A Q` are the Ritz values, and the squared first components of its eigenvectors their weights. The
    largest and smallest Ritz values come first to the operator's own extreme eigenvalues. The basis is orthogonalised
    in full, twice, so that no eigenvalue appears more often than it should.

    Args:
        operator: A, symmetric, of size n.
        start: Not zero, (n,).
        steps: Products with A, at most; the process ends early where the Krylov space does.

    Returns:
        k Ritz values with weights and errors; k is at most ``steps`` and n.

    Raises:
        ValueError: If ``steps`` is not positive or ``start`` is zero or not finite.

    Reference:
        Golub and Meurant, Matrices, Moments and Quadrature, chapters 4 and 6.
    """
    norm = float(start.norm())
    if steps < 1:
        raise ValueError(f"`steps` must be >= 1, got {steps}.")
    if not 0.0 < norm < float("inf"):
        raise ValueError(f"`start` must be finite and not zero, got norm {norm}.")
    basis = start.new_zeros(min(steps, len(start)), len(start))
    diagonal, beside = list[float](), list[float]()
    direction, size = start / norm, 0.0
    for j in range(len(basis)):
        basis[j] = direction
        image = operator(direction)
        diagonal.append(float(direction @ image))
        for _ in range(2):
            image = image - basis[: j + 1].T @ (basis[: j + 1] @ image)
        beside.append(float(image.norm()))
        size = max(size, abs(diagonal[-1]), beside[-1])
        if beside[-1] <= torch.finfo(start.dtype).eps * len(start) * size:
            break
        direction = image / beside[-1]
    return _ritz(start.new_tensor(diagonal), start.new_tensor(beside))


def _ritz(diagonal: Gradient, beside: Gradient) -> Ritz:
    matrix = diagonal.diag()
    if len(beside) > 1:
        matrix = matrix + beside[:-1].diag(1) + beside[:-1].diag(-1)
    values, vectors = torch.linalg.eigh(matrix)
    return Ritz(values, vectors[0].square(), beside[-1] * vectors[-1].abs())
