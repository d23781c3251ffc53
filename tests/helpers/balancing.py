"""Views of steps for tests of balancers."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightning_autobalance.balancing import StepView


def unexpected() -> Tensor:
    raise AssertionError("this method must not ask for kernels")


def view_of(
    rows: Sequence[Sequence[float]] | Tensor,
    losses: Sequence[float] | None = None,
    step: int = 0,
    kernels: Callable[[], Tensor] = unexpected,
) -> StepView:
    """A step with these gradients and losses, in float64.

    Args:
        rows: Row i is the gradient of term i.
        losses: One per term, 1 by default.
        step: Number of steps done before.
        kernels: Mean diagonals of the terms' kernels.
    """
    jacobian = torch.as_tensor(rows, dtype=torch.float64)
    values = torch.ones(len(jacobian)) if losses is None else torch.as_tensor(losses, dtype=torch.float64)
    terms = tuple("abcdefgh"[: len(jacobian)])
    return StepView(step, terms, values.to(torch.float64), jacobian, kernels)
