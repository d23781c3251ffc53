"""Symmetric matrices given by their products with a vector, such as Hessians."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from lightning_autobalance.shapes import Gradient, Scalar, Square

Operator: TypeAlias = Callable[[Tensor], Tensor]  # (n,) to (n,), linear and symmetric


def hessian(loss: Scalar, params: Sequence[Tensor]) -> Operator:
    r"""The Hessian of a loss as an operator, :math:`H v = \nabla_w (v^T \nabla_w L)`; H itself is never formed.

    The graph of the gradient is built once; each product then costs about two gradients.

    Args:
        loss: 0-dim, with a graph that can be differentiated twice.
        params: The parameters w, n elements in total.

    Returns:
        Maps a vector (n,) to its product with H, (n,), both in the order of ``params``.

    Raises:
        ValueError: If ``params`` is empty, or the loss has no graph.
    """
    params = list(params)
    if not params or not loss.requires_grad:
        raise ValueError(
            f"`loss` must depend on `params`, got a loss with `requires_grad` {loss.requires_grad} and {len(params)} "
            "parameter(s). It was detached, or computed under `torch.no_grad()`."
        )
    gradient = _flattened(torch.autograd.grad(loss, params, create_graph=True, materialize_grads=True))

    def product(vector: Gradient) -> Gradient:
        if not gradient.requires_grad:  # a linear loss
            return torch.zeros_like(vector)
        return _flattened(torch.autograd.grad(gradient, params, vector, retain_graph=True, materialize_grads=True))

    return product


def hessian_vector_product(loss: Scalar, params: Sequence[Tensor], vector: Gradient) -> Gradient:
    """A single product of the Hessian with a vector, (n,); for several products, call `hessian` once."""
    return hessian(loss, params)(vector)


def scaled(operator: Operator, scale: Gradient) -> Operator:
    """S A S with the diagonal matrix S; a preconditioned Hessian has S = D^-1/2.

    Args:
        operator: A.
        scale: The diagonal of S, (n,).
    """
    return lambda vector: scale * operator(scale * vector)


def summed(operators: Sequence[Operator], weights: Sequence[float] | None = None) -> Operator:
    """The weighted sum of operators.

    Args:
        operators: At least one.
        weights: One factor per operator; 1 by default.
    """
    factors = [1.0] * len(operators) if weights is None else list(weights)

    def product(vector: Gradient) -> Gradient:
        parts = [factor * operator(vector) for operator, factor in zip(operators, factors, strict=True)]
        return torch.stack(parts).sum(dim=0)

    return product


def dense(operator: Operator, like: Gradient) -> Square:
    """The matrix of an operator, (n, n), from n products; asymmetry from rounding is averaged out.

    Args:
        operator: Of size n.
        like: A vector (n,) that gives size, type and device.
    """
    columns = [operator(unit) for unit in torch.eye(len(like), dtype=like.dtype, device=like.device)]
    matrix = torch.stack(columns)
    return (matrix + matrix.T) / 2


def _flattened(gradients: Sequence[Tensor]) -> Gradient:
    return torch.cat([gradient.reshape(-1) for gradient in gradients])
