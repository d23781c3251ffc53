"""Before anything is timed: every contender computes the same losses and gradients, on its weights and our points."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.peers.case import Case
from benchmarks.peers.contender import Prepared

TOLERANCE = 1e-3


class DisagreementError(RuntimeError):
    """A contender's losses or gradients differ from the reference."""


def deviation(case: Case, prepared: Prepared) -> float | None:
    """The largest relative deviation from nested autograd in float64: of a term's loss, and of its gradient's norm.

    Returns:
        None where the contender has no losses.

    Raises:
        DisagreementError: If it is larger than float32 explains.
    """
    if prepared.losses is None:
        return None
    twin = copy.deepcopy(prepared.net).double()
    expected = case.losses(twin, {name: x.detach().double() for name, x in case.data.items()})
    found = prepared.losses()
    if list(found) != list(expected):
        raise DisagreementError(f"`losses` must be of the terms {list(expected)}, got {list(found)}.")
    rows = prepared.gradients() if prepared.gradients else _gradients(found, list(prepared.net.parameters()))
    off = [_off(_column(found), _column(expected)), _off(rows, _gradients(expected, list(twin.parameters())))]
    largest = float(torch.cat(off).max())  # not Python's, which may pass over NaN
    if not largest <= TOLERANCE:
        raise DisagreementError(
            f"Losses and gradients must agree within {TOLERANCE}, got a deviation of {largest:.1e}."
        )
    return largest


def _column(losses: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values()))[:, None]


def _gradients(losses: Mapping[str, Tensor], params: Sequence[Tensor]) -> Tensor:
    rows = [
        torch.autograd.grad(loss, params, retain_graph=True, allow_unused=True, materialize_grads=True)
        for loss in losses.values()
    ]
    return torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])


def _off(found: Tensor, expected: Tensor) -> Tensor:
    difference = torch.linalg.vector_norm(found.detach().double() - expected.detach(), dim=1)
    return torch.div(difference, torch.linalg.vector_norm(expected.detach(), dim=1))
