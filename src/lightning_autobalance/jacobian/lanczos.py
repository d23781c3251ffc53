"""The Lanczos process: eigenvalues of a symmetric operator from a few matrix-vector products."""

from typing import NamedTuple

import torch
from torch import Tensor

from lightning_autobalance.jacobian.operators import Operator
from lightning_autobalance.shapes import Gradient
from lightning_autobalance.utils.arguments import check_at_least


class Ritz(NamedTuple):
    """Ritz values of an operator, the Lanczos estimates of its eigenvalues.

    Args:
        values: In ascending order, (k,).
        weights: Squared components of the unit start vector along the Ritz vectors, (k,); they sum to 1.
        errors: Upper bound on the distance of each value to the nearest eigenvalue, (k,).
    """

    values: Tensor
    weights: Tensor
    errors: Tensor


def lanczos(operator: Operator, start: Gradient, steps: int) -> Ritz:
    r"""Ritz values of a symmetric operator, with their weights and error bounds.

    With an orthonormal basis Q of the Krylov space of ``start``, the eigenvalues of the tridiagonal
    :math:`T = Q^T A Q` are the Ritz values, and the squared first components of its eigenvectors their weights. The
    extreme eigenvalues of the operator converge first. Full reorthogonalisation, done twice, prevents spurious copies
    of converged eigenvalues.

    Args:
        operator: A, symmetric, of size n.
        start: Start vector, not zero, (n,).
        steps: Maximal number of products with A; the process ends early if the Krylov space is exhausted.

    Returns:
        k <= min(``steps``, n) Ritz values.

    Raises:
        ValueError: If ``steps`` is not positive or ``start`` is zero or not finite.

    Reference:
        Golub and Meurant, Matrices, Moments and Quadrature, chapters 4 and 6.
    """
    norm = float(start.norm())
    check_at_least("steps", steps, 1)
    if not 0.0 < norm < float("inf"):
        raise ValueError(f"`start` must be finite and not zero, got norm {norm}.")
    basis = start.new_zeros(min(steps, len(start)), len(start))
    diagonal, off_diagonal = list[float](), list[float]()
    direction, scale = start / norm, 0.0
    for j in range(len(basis)):
        basis[j] = direction
        image = operator(direction)
        diagonal.append(float(direction @ image))
        for _ in range(2):
            image = image - basis[: j + 1].T @ (basis[: j + 1] @ image)
        off_diagonal.append(float(image.norm()))
        scale = max(scale, abs(diagonal[-1]), off_diagonal[-1])
        if off_diagonal[-1] <= torch.finfo(start.dtype).eps * len(start) * scale:
            break
        direction = image / off_diagonal[-1]
    return _ritz(start.new_tensor(diagonal), start.new_tensor(off_diagonal))


def _ritz(diagonal: Gradient, off_diagonal: Gradient) -> Ritz:
    tridiagonal = diagonal.diag()
    if len(off_diagonal) > 1:
        tridiagonal = tridiagonal + off_diagonal[:-1].diag(1) + off_diagonal[:-1].diag(-1)
    values, vectors = torch.linalg.eigh(tridiagonal)
    return Ritz(values, vectors[0].square(), off_diagonal[-1] * vectors[-1].abs())
