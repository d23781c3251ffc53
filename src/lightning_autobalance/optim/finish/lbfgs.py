"""L-BFGS as a finisher: torch's, with its strong Wolfe line search."""

from typing import Any, Literal, final

import torch
from torch import Tensor

from lightning_autobalance.optim.finish.base import Finisher, FinishStep, Objective
from lightning_autobalance.shapes import Gradient
from lightning_autobalance.utils.arguments import check_at_least, check_positive


@final
class LBFGS(Finisher):
    """``torch.optim.LBFGS`` with a strong Wolfe line search, as Adam and then L-BFGS is the field's habit.

    Args:
        steps: Number of steps, the last ones of the run; -1 for the whole run.
        iterations: Iterations of L-BFGS per step; a line search in each takes one or two evaluations of the loss.
        history: Number of pairs kept. Memory: twice as many vectors of the n parameters.
        tolerance: Largest entry of the gradient at which nothing more is gained.
        dtype: Type in which it computes.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Liu and Nocedal, 1989.
    """

    def __init__(
        self,
        steps: int,
        iterations: int = 20,
        history: int = 100,
        tolerance: float = 1e-14,
        dtype: Literal["float64", "float32"] = "float64",
    ) -> None:
        super().__init__(steps, dtype)
        check_positive("iterations", iterations)
        check_positive("history", history)
        check_at_least("tolerance", tolerance, 0)
        self.iterations = iterations
        self.history = history
        self.tolerance = tolerance

    def step(self, objective: Objective, weights: Gradient) -> FinishStep:
        """Take one step of several iterations."""
        point = weights.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [point],
            max_iter=self.iterations,
            history_size=self.history,
            tolerance_grad=self.tolerance,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        if self.state:
            optimizer.load_state_dict({"state": {0: _copied(self.state)}, "param_groups": _groups(optimizer)})

        def closure() -> Tensor:
            loss, point.grad = objective.gradient(point.detach())
            return loss

        before = float(optimizer.step(closure))  # type: ignore[no-untyped-call]
        self.state = optimizer.state_dict()["state"][0]
        moved = point.detach()
        after = float(objective.loss(moved))
        if not after < before:
            return FinishStep(weights, before, False, {}, "no step along its direction lowers the loss any more")
        numbers = {"step_length": float((moved - weights).norm()), "evaluations": float(self.state["func_evals"])}
        return FinishStep(moved, after, True, numbers)


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    """A state that the optimizer may change in place."""
    return {name: list(x) if isinstance(x, list) else x for name, x in state.items()}


def _groups(optimizer: torch.optim.Optimizer) -> Any:
    return optimizer.state_dict()["param_groups"]
