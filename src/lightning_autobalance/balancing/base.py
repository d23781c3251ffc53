"""What weightings and aggregators share."""

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from lightning_autobalance.shapes import Jacobian, Losses
from lightning_autobalance.utils.buffers import ResizedBuffers


@dataclass(frozen=True)
class StepView:
    """What a balancer may know of a step.

    Args:
        step: Number of optimizer steps done before.
        terms: Names of the m loss terms, in the order of the rows.
        losses: Their losses, the fixed weights of the module included, (m,).
        jacobian: Row i is the gradient of loss term i, (m, n).
        kernels: Computes for each term the mean over its points of the squared norm of the residual's gradient, (m,):
            the mean diagonal of its neural tangent kernel. Costs several steps.
    """

    step: int
    terms: tuple[str, ...]
    losses: Losses
    jacobian: Jacobian
    kernels: Callable[[], Losses]


class Balancer(ResizedBuffers, ABC):
    """Weightings and aggregators: modules, so that what they remember is part of every checkpoint."""

    asks_kernels: bool = False
    """Whether the method calls ``view.kernels``."""
    weights: Tensor | None = None
    """The weights of the latest step, (m,), where the method has them: for the log, not part of the state."""


class CountsCalls(nn.Module):
    """A second base of balancers that count their steps; the count is part of the state."""

    _calls: int = 0

    def get_extra_state(self) -> dict[str, int]:
        """How many steps were taken."""
        return {"calls": self._calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Go on from a checkpoint."""
        self._calls = state["calls"]
