"""Least squares on a random part of the rows: for problems whose whole Jacobian does not fit into memory."""

from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.jacobian import RowJacobian
from lightning_autobalance.optim.finish.base import FinishStep, Objective
from lightning_autobalance.optim.finish.normal_equations import NormalEquations
from lightning_autobalance.shapes import Gradient, Rows

MOMENTUM = 0.9
LENGTHS = (1.0, 0.5, 0.25, 0.1, 0.03)  # of the line search, the longest first
TRIALS = 8  # dampings tried in one step
IDLE_STEPS = 5  # that lower nothing, each on other rows, before the run ends


def subsampled_step(
    objective: Objective,
    weights: Gradient,
    rows: Rows,
    jacobian: RowJacobian,
    state: dict[str, Any],
    *,
    count: int,
    damping: float,
) -> FinishStep:
    r"""One step on some rows S, near the step before; its length is the best of some by the loss of all rows.

    .. math:: \phi \leftarrow m \phi + J_S^T (J_S J_S^T + \mu I)^{-1} (r_S - m J_S \phi), \qquad
        w \leftarrow w - \eta \phi

    Args:
        objective: The problem.
        weights: The parameters, (n,).
        rows: r there, (N,).
        jacobian: Its Jacobian.
        state: ``count`` of steps, which decides the rows, ``phi``, ``damping`` and ``idle`` steps; changed in place.
        count: Number of rows taken.
        damping: The first mu, relative to the mean of the diagonal of J J^T.

    Reference:
        SPRING: Goldshlager, Abrahamsen and Lin, 2024; for PINNs Guzman-Cordero et al., arXiv 2505.12149. The line
        search and the damping that follows it are ours.
    """
    some = _drawn(len(rows), count, state).to(rows.device)
    scale = (len(rows) / count) ** 0.5
    equations, target = NormalEquations(jacobian.picked(some).dense().mul_(scale)), scale * rows[some]
    before = MOMENTUM * state.get("phi", torch.zeros_like(weights))
    mu = state.get("damping", damping * equations.square_norm / count)
    loss, difference = float(rows @ rows), target - equations.times(before)
    for trial in range(1, TRIALS + 1):
        if equations.factorise(mu):
            direction = before + equations.solve(difference)
            length, after = _line_search(objective, weights, direction, loss)
            if length:
                mu = mu / 2 if length == LENGTHS[0] else 2 * mu if length <= LENGTHS[3] else mu
                state.update(phi=length * direction, damping=mu, idle=0)
                numbers = {"damping": mu, "step_length": length, "trials": float(trial)}
                return FinishStep(weights - length * direction, after, True, numbers)
        mu = 4 * mu
    state.update(phi=torch.zeros_like(weights), damping=mu, idle=state.get("idle", 0) + 1)
    reason = f"no step on {count} rows lowers the loss any more, {IDLE_STEPS} draws of them in a row"
    return FinishStep(weights, loss, False, {"damping": mu}, reason if state["idle"] >= IDLE_STEPS else "")


def _drawn(rows: int, count: int, state: dict[str, Any]) -> Tensor:
    """The rows of this step, (count,), in their order: they follow from its number alone."""
    state["count"] = state.get("count", 0) + 1
    generator = torch.Generator().manual_seed(state["count"])
    return torch.randperm(rows, generator=generator)[:count].sort().values


def _line_search(objective: Objective, weights: Gradient, direction: Gradient, loss: float) -> tuple[float, float]:
    """The length with the smallest loss, and that loss; the length is 0 where none lowers it."""
    best = 0.0, loss
    for length in LENGTHS:
        after = float(objective.loss(weights - length * direction))
        if after < best[1]:
            best = length, after
        elif best[0]:
            break
    return best
