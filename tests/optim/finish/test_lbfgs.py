"""L-BFGS is torch's."""

from typing import Any

import pytest
import torch

from helpers.least_squares import decay
from lightning_autobalance.optim.finish import LBFGS


def test_steps_are_torchs() -> None:
    objective, start = decay()
    point = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [point], max_iter=15, tolerance_grad=0.0, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        loss, point.grad = objective.gradient(point.detach())
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    finisher, weights = LBFGS(9, iterations=5, tolerance=0.0), start
    for _ in range(3):
        weights = finisher.step(objective, weights).weights
    torch.testing.assert_close(weights, point.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bad", [{"iterations": 0}, {"history": 0}, {"tolerance": -1.0}])
def test_bad_numbers(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
        LBFGS(9, **bad)
