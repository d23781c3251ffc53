"""Self-scaled Broyden and BFGS: quasi-Newton methods with a dense inverse Hessian, for any smooth loss."""

import warnings
from math import isfinite, sqrt
from typing import Any, Literal, NamedTuple, final

import numpy as np
import torch
from scipy.optimize import line_search

from lightning_autobalance.optim.finish.base import Finisher, FinishStep, Objective, mebibytes
from lightning_autobalance.shapes import Gradient, Square
from lightning_autobalance.utils.arguments import check_positive

SUFFICIENT_DECREASE, CURVATURE = 1e-4, 0.9  # of the strong Wolfe conditions, as in scipy's BFGS
MOST_EVALUATIONS = 25  # of a line search


class _Pair(NamedTuple):
    """What an update follows from."""

    step: Gradient  # s
    change: Gradient  # y, of the gradient
    length: float  # of the line search
    slope: float  # gradient times s


@final
class SelfScaledBroyden(Finisher):
    r"""Broyden's family with self-scaling, and a strong Wolfe line search along :math:`-H \nabla L`.

    .. math::
        H &\leftarrow \frac1\tau \Bigl( H - \frac{H y y^T H}{y^T H y} + \phi \, v v^T \Bigr) + \frac{s s^T}{s^T y} \\
        v &= \sqrt{y^T H y} \Bigl( \frac{s}{s^T y} - \frac{H y}{y^T H y} \Bigr)

    with s the step and y the change of the gradient. ``rule`` "broyden" chooses :math:`\phi` and :math:`\tau` by
    Al-Baali's bounds, "bfgs" has :math:`\phi = 1` and :math:`\tau = \min(1, s^T y / s^T B s)`.

    Memory: 16 n^2 bytes in float64; a checkpoint holds half of that.

    Args:
        steps: Number of steps, the last ones of the run; -1 for the whole run.
        rule: "broyden" or "bfgs".
        memory: Largest memory for the inverse Hessian, in bytes.
        dtype: Type in which it computes.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Al-Baali, 1998; for PINNs: Urban, Stefanou and Pons, arXiv 2405.04230, and Kiyani et al., arXiv 2501.16371.
    """

    def __init__(
        self,
        steps: int,
        rule: Literal["broyden", "bfgs"] = "broyden",
        memory: float = 2 * 2**30,
        dtype: Literal["float64", "float32"] = "float64",
    ) -> None:
        super().__init__(steps, dtype)
        if rule not in ("broyden", "bfgs"):
            raise ValueError(f'`rule` must be "broyden" or "bfgs", got {rule!r}.')
        check_positive("memory", memory)
        self.rule = rule
        self.memory = memory

    def check_size(self, rows: int, parameters: int) -> None:  # noqa: ARG002
        """Refuse more parameters than ``memory`` holds the square of."""
        needed = 2.0 * self.torch_dtype.itemsize * parameters**2
        if needed > self.memory:
            raise ValueError(
                f"`memory` of SelfScaledBroyden must hold the inverse Hessian of {parameters:,} parameters, "
                f"{mebibytes(needed)}, got {mebibytes(self.memory)}. Raise it, or take LBFGS or LevenbergMarquardt."
            )

    def step(self, objective: Objective, weights: Gradient) -> FinishStep:
        """Take one step; where the line search finds none, start again from the steepest descent."""
        before, gradient = self._gradient(objective, weights)
        for inverse in [self.state["inverse"], None] if "inverse" in self.state else [None]:
            direction = -gradient if inverse is None else -(inverse @ gradient)
            slope = float(direction @ gradient)
            found = self._search(objective, weights, direction, before, gradient) if slope < 0 else None
            if found is None:
                continue
            length, after, there = found
            pair = _Pair(length * direction, there - gradient, length, length * float(direction @ gradient))
            updated = self._updated(inverse, pair, len(weights))
            self.state = {} if updated is None else {"inverse": updated}
            return FinishStep(weights + pair.step, after, True, {"step_length": length, "slope": slope})
        return FinishStep(weights, before, False, {}, "no step downhill lowers the loss any more")

    def _gradient(self, objective: Objective, weights: Gradient) -> tuple[float, Gradient]:
        loss, gradient = objective.gradient(weights)
        return float(loss), gradient

    def _search(
        self, objective: Objective, weights: Gradient, direction: Gradient, loss: float, gradient: Gradient
    ) -> tuple[float, float, Gradient] | None:
        """Length of the step, and loss and gradient there; None where there is no step that lowers the loss."""
        seen: dict[bytes, tuple[float, Gradient]] = {}

        def at(point: Any) -> tuple[float, Gradient]:
            if (key := point.tobytes()) not in seen:
                seen[key] = self._gradient(objective, torch.as_tensor(point).to(weights))
            return seen[key]

        start, along = weights.cpu().numpy().astype(np.float64), direction.cpu().numpy().astype(np.float64)
        seen[start.tobytes()] = loss, gradient
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a search that finds nothing, which None says
            length, *_ = line_search(
                lambda point: at(point)[0],
                lambda point: at(point)[1].cpu().numpy().astype(np.float64),
                start,
                along,
                c1=SUFFICIENT_DECREASE,
                c2=CURVATURE,
                maxiter=MOST_EVALUATIONS,
            )
        if length is None:
            return None
        after, there = at(start + length * along)
        return (float(length), after, there) if isfinite(after) and after < loss else None

    def _updated(self, inverse: Square | None, pair: _Pair, size: int) -> Square | None:
        s, y = pair.step, pair.change
        curvature = float(s @ y)
        if not curvature > 0:
            return inverse
        if inverse is None:
            inverse = torch.eye(size, dtype=s.dtype, device=s.device) * (curvature / float(y @ y))
        hy = inverse @ y
        yhy = float(y @ hy)
        h, b = yhy / curvature, -pair.length * pair.slope / curvature
        phi, tau = _broyden(h, b, size) if self.rule == "broyden" else (1.0, min(1.0, 1 / b))
        if not (isfinite(phi) and isfinite(tau) and tau > 0):
            return inverse
        v = s / curvature - hy / yhy
        inverse = inverse.addr(hy, hy, alpha=-1 / yhy).addr_(v, v, alpha=phi * yhy)
        return inverse.mul_(1 / tau).addr_(s, s, alpha=1 / curvature)


def _broyden(h: float, b: float, size: int) -> tuple[float, float]:
    r"""Al-Baali's :math:`\phi` and :math:`\tau`.

    Args:
        h: :math:`y^T H y / s^T y`.
        b: :math:`s^T B s / s^T y`.
        size: Number of parameters n.
    """
    a = h * b - 1
    if not a > 0:
        return 1.0, min(1.0, 1 / b)
    low = min(1.0, h * (1 - sqrt(a / (1 + a))))
    theta = max((low - 1) / a, min(1 / low, (1 - b) / b))
    sigma = 1 + theta * a
    root = abs(sigma) ** (1 / (1 - size)) if size > 1 else 1.0
    high = min(1.0, 1 / b)
    tau = min(high * root, sigma) if theta <= 0 else high * min(root, 1 / theta)
    return (1 - theta) / (1 + a * theta), tau
