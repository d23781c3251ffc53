"""Symmetric matrices known by what they do to a vector."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from lightning_autobalance.shapes import Gradient, Scalar, Square

Operator: TypeAlias = Callable[[Tensor], Tensor]  # (n,) to (n,), linear and symmetric


def hessian(loss: Scalar, params: Sequence[Tensor]) -> Operator:
    r"""The Hessian of a loss by the parameters, :math:`H v = \nabla_w (v^T \nabla_w L)`, without writing it down.

    The graph of the gradient is built once; a product then costs about two gradients.

    Args:
        loss: 0-dim, with a graph that can be differentiated twice.
        params: Those that the loss is differentiated by; together they have n elements.

    Returns:
        From a vector (n,) to H times it, (n,); both in the order of ``params``.

    Raises:
        ValueError: If there is no parameter, or the loss does not depend on any.
    """
    params = list(params)
    if not params or not loss.requires_grad:
        raise ValueError(
            f"`loss` must depend on `params`, got a loss with `requires_grad` {loss.requires_grad} and {len(params)} "
            "parameter(s). It was detached, or computed under `torch.no_grad()`."
        )
    gradient = _flat(torch.autograd.grad(loss, params, create_graph=True, materialize_grads=True))

    def product(vector: Gradient) -> Gradient:
        if not gradient.requires_grad:  # a linear loss
            return torch.zeros_like(vector)
        return _flat(torch.autograd.grad(gradient, params, vector, retain_graph=True, materialize_grads=True))

    return product


def hessian_vector_product(loss: Scalar, params: Sequence[Tensor], vector: Gradient) -> Gradient:
    """One product with the Hessian; for several, call `hessian` once.

    Args:
        loss: 0-dim, with a graph that can be differentiated twice.
        params: As for `hessian`.
        vector: (n,).
    """
    return hessian(loss, params)(vector)


def scaled(operator: Operator, scale: Gradient) -> Operator:
    """S A S with the diagonal matrix S, such as a preconditioner's D^-1/2 on both sides of a Hessian.

    Args:
        operator: A.
        scale: The diagonal of S, (n,).
    """
    return lambda vector: scale * operator(scale * vector)


def total(operators: Sequence[Operator], weights: Sequence[float] | None = None) -> Operator:
    """The sum of operators.

    Args:
        operators: At least one.
        weights: Factor of each; 1 by default.
    """
    factors = [1.0] * len(operators) if weights is None else list(weights)

    def product(vector: Gradient) -> Gradient:
        parts = [factor * operator(vector) for operator, factor in zip(operators, factors, strict=True)]
        return torch.stack(parts).sum(dim=0)

    return product


def dense(operator: Operator, like: Gradient) -> Square:
    """The matrix, column by column: n products and n^2 numbers.

    Args:
        operator: Symmetric; what rounding left of asymmetry is averaged away.
        like: Any vector of the right size, type and device, (n,).
    """
    columns = [operator(unit) for unit in torch.eye(len(like), dtype=like.dtype, device=like.device)]
    matrix = torch.stack(columns)
    return (matrix + matrix.T) / 2


def _flat(gradients: Sequence[Tensor]) -> Gradient:
    return torch.cat([gradient.reshape(-1) for gradient in gradients])
