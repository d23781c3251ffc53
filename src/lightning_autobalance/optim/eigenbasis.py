"""Eigenbases of the two sides of weight matrices: rotations into them, and the refresh that follows the gradients."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from math import prod
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

State: TypeAlias = dict[str, Tensor]
T = TypeVar("T")


def matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of a parameter seen as a matrix: a vector is a column, further dimensions lie side by side."""
    return (shape[0] if shape else 1), prod(shape[1:])


def basis_sizes(shape: Sequence[int], max_precondition_dim: int) -> tuple[int, int]:
    """Sizes of the bases of both sides; 0 for the identity, which a side of length 1 or above the maximum keeps."""
    left, right = (side if 1 < side <= max_precondition_dim else 0 for side in matrix_shape(shape))
    return left, right


def rotate(grads: Tensor, left: Tensor, right: Tensor) -> Tensor:
    r"""Gradients in their eigenbases, :math:`Q_L^\top G \, Q_R`.

    Args:
        grads: Of k parameters and m terms, (k, m, r, c).
        left: :math:`Q_L`, (k, r, r), or (k, 0, 0) for the identity.
        right: :math:`Q_R`, (k, c, c), likewise.
    """
    if left.numel():
        grads = left.mT.unsqueeze(1) @ grads
    return grads @ right.unsqueeze(1) if right.numel() else grads


def rotate_back(updates: Tensor, left: Tensor, right: Tensor) -> Tensor:
    r"""Updates in the parameters' own coordinates, :math:`Q_L \, D \, Q_R^\top`; the inverse of `rotate`."""
    return rotate(updates, left.mT, right.mT)


def average_grams_(states: Sequence[State], unit_grads: Tensor, weight: float) -> None:
    r"""Move the averages of the terms' Gram matrices towards the new ones.

    .. math::
        L \leftarrow (1 - w) L + w \sum_i G_i G_i^\top \qquad R \leftarrow (1 - w) R + w \sum_i G_i^\top G_i

    Args:
        states: Of k parameters, with the averages ``L`` and ``R``; changed in place.
        unit_grads: The terms' gradients, each term scaled to norm one, (k, m, r, c).
        weight: Of the new matrices, :math:`w`.
    """
    if states[0]["L"].numel():
        side_by_side = unit_grads.transpose(1, 2).flatten(2)  # (k, r, m c): one product sums over the terms
        grams = side_by_side @ side_by_side.mT
        torch._foreach_lerp_([state["L"] for state in states], list(grams.unbind()), weight)
    if states[0]["R"].numel():
        stacked = unit_grads.flatten(1, 2)
        grams = stacked.mT @ stacked
        torch._foreach_lerp_([state["R"] for state in states], list(grams.unbind()), weight)


def first_bases_(states: Sequence[State], betas: tuple[float, float]) -> None:
    """Replace the identity by the eigenvectors of the averages after the first step.

    The moments of a single gradient are known in any basis, so the second ones are computed anew.

    Args:
        states: As `AutoSOAP` keeps them; changed in place.
        betas: Decay rates of the moments.
    """
    _turn_bases_(states, lambda grams, _bases: (torch.linalg.eigh(grams).eigenvectors.flip(-1), None))
    for state in states:
        if state["L"].numel() or state["R"].numel():
            state["exp_avg_sq"].copy_(state["exp_avg"].square() * ((1 - betas[1]) / (1 - betas[0]) ** 2))


def refresh_bases_(states: Sequence[State]) -> None:
    """Let the bases follow the averages, by one QR decomposition of L Q_L and of R Q_R; the moments follow.

    First moments are rotated; second moments, of which no rotation is known, change places with their basis vectors.

    Args:
        states: As `AutoSOAP` keeps them; changed in place.
    """
    _turn_bases_(states, _power_step)


def _power_step(grams: Tensor, bases: Tensor) -> tuple[Tensor, Tensor]:
    """New bases (k, n, n), the largest eigenvalue first, and which old vector each new one comes from, (k, n)."""
    products = grams @ bases
    order = (bases * products).sum(dim=1).argsort(dim=1, descending=True, stable=True)
    return torch.linalg.qr(products.gather(2, order.unsqueeze(1).expand_as(products))).Q, order


def _turn_bases_(states: Sequence[State], find: Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]) -> None:
    sides = [(state, name) for state in states for name in ("L", "R") if state[name].numel()]
    for alike in groups_of(sides, lambda side: _kind(side[0][side[1]])):  # one decomposition for all of one size
        bases = torch.stack([state[f"Q{name}"] for state, name in alike])
        new, order = find(torch.stack([state[name] for state, name in alike]), bases)
        turns = bases.mT @ new
        for i, (state, name) in enumerate(alike):
            state[f"Q{name}"].copy_(new[i])
            _turn_moments_(state, name, turns[i], None if order is None else order[i])


def _turn_moments_(state: State, name: str, turn: Tensor, order: Tensor | None) -> None:
    mean, square = as_matrices(state["exp_avg"]), as_matrices(state["exp_avg_sq"])
    mean.copy_(turn.mT @ mean if name == "L" else mean @ turn)
    if order is not None:
        square.copy_(square.index_select(1 if name == "L" else 2, order))


def as_matrices(jac: Tensor) -> Tensor:
    r"""A view of (m, \*shape) as m matrices, (m, r, c)."""
    return jac.view(len(jac), *matrix_shape(jac.shape[1:]))


def groups_of(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """The items, those with equal keys together."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _kind(tensor: Tensor) -> Hashable:
    return tensor.shape, tensor.dtype, tensor.device
