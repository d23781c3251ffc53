"""The interface of finishers, and what they see of a problem."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from lightning_autobalance.jacobian import RowJacobian
from lightning_autobalance.shapes import Gradient, Rows, Scalar
from lightning_autobalance.utils.plain import plain

DTYPES = {"float64": torch.float64, "float32": torch.float32}


@runtime_checkable
class Objective(Protocol):
    r"""A loss :math:`L(w) = \|r(w)\|^2` at parameters of the finisher's choice; its points stay fixed within a step.

    The rows r, (N,), are the residual values of all terms, each times :math:`\sqrt{\lambda_i / N_i}` with the weight of
    its term and the number of its values.
    """

    def loss(self, weights: Gradient) -> Scalar:
        """L, ()."""

    def gradient(self, weights: Gradient) -> tuple[Scalar, Gradient]:
        """L, (), and its gradient, (n,)."""

    def rows(self, weights: Gradient) -> Rows:
        """r, (N,)."""

    def jacobian(self, weights: Gradient) -> tuple[Rows, RowJacobian]:
        """r, (N,), and its Jacobian, (N, n)."""


@dataclass(frozen=True)
class FinishStep:
    """The outcome of one step.

    Args:
        weights: The parameters after it, (n,); those before it where it was not accepted.
        loss: The loss there.
        accepted: Whether the parameters moved.
        numbers: What is worth logging, by name.
        stop: Why nothing more can be gained; empty to go on.
    """

    weights: Gradient
    loss: float
    accepted: bool
    numbers: Mapping[str, float] = field(default_factory=dict)
    stop: str = ""


class Finisher(ABC):
    """Takes the last steps of a run by curvature. It knows neither the equation nor Lightning.

    Args:
        steps: Number of steps, the last ones of the run; -1 for the whole run.
        dtype: Type in which it computes, whatever that of the steps before.

    Raises:
        ValueError: If an argument is out of range.
    """

    needs_rows: bool = False
    """Whether it needs residuals: losses that a module computes itself then do not do."""

    def __init__(self, steps: int, dtype: Literal["float64", "float32"] = "float64") -> None:
        steps = plain(steps)
        if isinstance(steps, bool) or not isinstance(steps, int) or (steps < 1 and steps != -1):
            raise ValueError(f"`steps` must be a whole number >= 1, or -1 for the whole run, got {steps!r}.")
        if dtype not in DTYPES:
            raise ValueError(f"`dtype` must be one of {', '.join(DTYPES)}, got {dtype!r}.")
        self.steps = steps
        self.dtype = dtype
        self.state: dict[str, Any] = {}

    @property
    def torch_dtype(self) -> torch.dtype:
        """``dtype`` as torch's."""
        return DTYPES[self.dtype]

    @abstractmethod
    def step(self, objective: Objective, weights: Gradient) -> FinishStep:
        """Take one step.

        Args:
            objective: The problem.
            weights: The parameters, (n,), of type ``dtype``; not changed.
        """

    def check_size(self, rows: int, parameters: int) -> None:  # noqa: B027  most methods have no limit
        """Refuse a problem that is too large, before the first step.

        Args:
            rows: Number of residual values N.
            parameters: Number of parameters n.

        Raises:
            ValueError: With both numbers, the memory needed, and the remedy.
        """

    def state_dict(self) -> dict[str, Any]:
        """What the next step follows from, beside the parameters: tensors and plain numbers."""
        return {name: x.clone() if isinstance(x, Tensor) else x for name, x in self.state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self.state = dict(state)


def mebibytes(count: float) -> str:
    """A number of bytes as text, such as "310 MiB" or "4.2 GiB"."""
    size = count / 2**20
    return f"{size:.0f} MiB" if size < 1024 else f"{size / 1024:.1f} GiB"
