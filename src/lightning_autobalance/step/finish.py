"""The step of a finisher, in place of everything behind stage 1: in its own type, from points to parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_autobalance.jacobian import RowJacobians, term_gradients
from lightning_autobalance.optim.finish import Finisher, FinishStep
from lightning_autobalance.shapes import Gradient
from lightning_autobalance.step.finite import NonFiniteError
from lightning_autobalance.step.losses import ByPart, LossStage, weighted
from lightning_autobalance.step.objective import Evaluation, PointObjective, in_dtype, written_back
from lightning_autobalance.step.term_gradients import TermGradients


class FinishStage:
    """Takes the steps of a finisher, and keeps the parameters in its type between them.

    Args:
        finisher: Takes the steps.

    Attributes:
        began_at: Number of the first step; None before it.
        losses: Loss of each term before the last step, (), without its fixed weight.
    """

    def __init__(self, finisher: Finisher) -> None:
        self.finisher = finisher
        self.began_at: int | None = None
        self.losses: Mapping[str, Tensor] = {}
        self._weights: Tensor | None = None  # (n,), of which the parameters are the rounded values
        self._jacobians: RowJacobians | None = None
        self._points: dict[str, Tensor] = {}
        self._seen: Evaluation | None = None  # at these points

    def is_due(self, step: int, max_steps: int) -> bool:
        """Whether a step is the finisher's: the last ones of the run, and all after the first of them.

        Args:
            step: Its number, from 0.
            max_steps: Length of the run.
        """
        first = 0 if self.finisher.steps < 0 else max_steps - self.finisher.steps
        return self.began_at is not None or step >= first

    def __call__(
        self,
        network: nn.Module,
        losses: LossStage,
        points: ByPart,
        params: Sequence[Tensor],
        *,
        weights: Mapping[str, float],
        step: int,
    ) -> FinishStep:
        """Take one step: the parameters move if the loss falls.

        Args:
            network: Owns all parameters and buffers that the losses depend on.
            losses: Stage 1.
            points: The data's, by part, each (b, d).
            params: The trained parameters.
            weights: Fixed weights by term; 1 where a term has none.
            step: Number of the step.
        """
        if self.began_at is None:
            self.began_at = step
            self.finisher.load_state_dict({})  # an earlier run may have had the same one
        placed = losses.begin_fixed(points, step)
        start = self._start(params)
        with in_dtype(network, params, start) as flat:
            converted = {part: converted_to(x, start.dtype) for part, x in placed.items()}
            seen = self._seen if _equal(self._points, converted) else None
            self._jacobians = self._jacobians or RowJacobians(network)
            objective = PointObjective(losses, converted, params, flat, weights, self._jacobians, seen)
            found = self.finisher.step(objective, start)
        self.losses, self._seen, self._points = objective.at_start, objective.seen, converted
        _check_finite(self.losses, step)
        self._weights = found.weights
        if found.accepted:
            written_back(params, found.weights)
        return found

    def _start(self, params: Sequence[Tensor]) -> Gradient:
        """The parameters, with all the digits of the step before unless something else has changed them since."""
        rounded = torch.cat([p.detach().flatten() for p in params])
        kept = self._weights
        if kept is not None and kept.shape == rounded.shape:
            kept = kept.to(rounded.device)
            if torch.equal(kept.to(rounded.dtype), rounded):
                return kept
        return rounded.to(self.finisher.torch_dtype)

    def state_dict(self) -> dict[str, Any]:
        """The finisher's state, the parameters with all their digits, and the first step; empty before it."""
        if self.began_at is None:
            return {}
        kind, state = type(self.finisher).__name__, self.finisher.state_dict()
        return {"began_at": self.began_at, "weights": self._weights, "kind": kind, "state": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.began_at = state.get("began_at")
        self._weights = state.get("weights")
        self.finisher.load_state_dict(state.get("state", {}))


def term_gradients_at(
    losses: LossStage, points: ByPart, params: Sequence[Tensor], weights: Mapping[str, float]
) -> TermGradients:
    """The terms' losses and gradients in the run's own type, for the log; no state changes.

    Args:
        losses: Stage 1.
        points: From its ``begin_fixed``, by part, each (b, d).
        params: The trained parameters.
        weights: Fixed weights by term; 1 where a term has none.
    """
    with torch.enable_grad():
        values = losses.again(points)
        blocks = term_gradients(weighted(values, weights), params)
        counts = losses.counts(points)
    return TermGradients(tuple(values), torch.stack([x.detach() for x in values.values()]), blocks, counts)


def converted_to(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Points in another type, (b, d); what is not floating point stays as it is.

    Args:
        x: Of any type.
        dtype: The other type.
    """
    return x.detach().to(dtype).requires_grad_(x.requires_grad) if x.is_floating_point() else x


def _equal(one: ByPart, other: ByPart) -> bool:
    return one.keys() == other.keys() and all(torch.equal(x, other[part]) for part, x in one.items())


def _check_finite(losses: Mapping[str, Tensor], step: int) -> None:
    for term, loss in losses.items():
        if not torch.isfinite(loss):
            raise NonFiniteError(
                f"The loss of loss term `{term}` must be finite at step {step}, where a finisher works, got "
                f"{float(loss)}. The weights are those before the step. Look for a division by zero or a square root "
                "at zero in the residual, or start the finisher earlier."
            )
