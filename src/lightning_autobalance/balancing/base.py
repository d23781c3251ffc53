"""What weightings and aggregators share: `Balancer`, and `StepView`, the data of a step that they may look at."""

import warnings
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lightning_autobalance.shapes import Jacobian, Losses
from lightning_autobalance.utils.buffers import ResizedBuffers


@dataclass(frozen=True)
class StepView:
    """The data of a training step that a balancer may use.

    Args:
        step: Number of optimizer steps already taken.
        terms: Names of the m loss terms, in the order of the rows.
        losses: Loss per term, including the module's fixed weights, (m,).
        jacobian: Row i is the gradient of loss term i, (m, n).
        kernels: Computes the mean diagonal of each term's neural tangent kernel, (m,): the squared norm of the
            residual's gradient, averaged over the points. Expensive, several steps' time; a balancer that calls it sets
            ``needs_ntk``.
    """

    step: int
    terms: tuple[str, ...]
    losses: Losses
    jacobian: Jacobian
    kernels: Callable[[], Losses]


class Balancer(ResizedBuffers, ABC):
    """Base of weightings and aggregators. A module, so that its state is part of every checkpoint."""

    needs_ntk: bool = False
    """Whether the method calls ``view.kernels``. Formerly ``asks_kernels``."""
    terms: tuple[str, ...] = ()
    """Names of the loss terms that its state is of, from the latest step."""
    weights: Tensor | None = None
    """The weights of the latest step, (m,), if the method has any: for the log, not part of the state."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "asks_kernels" in cls.__dict__:
            warnings.warn(f"`asks_kernels` of {cls.__name__} is now `needs_ntk`.", DeprecationWarning, stacklevel=2)
            cls.needs_ntk = cls.__dict__["asks_kernels"]


class CallCounter(nn.Module):
    """Mixin for balancers that count their calls; the count is part of the state."""

    _calls: int = 0

    def get_extra_state(self) -> dict[str, int]:
        """The number of calls, for the checkpoint."""
        return {"calls": self._calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Restore the number of calls from a checkpoint."""
        self._calls = state["calls"]
