"""Levenberg-Marquardt with geodesic acceleration: nonlinear least squares on all residual values at once."""

from math import isfinite
from typing import Literal, NamedTuple, final

from lightning_autobalance.optim.finish.base import Finisher, FinishStep, Objective, mebibytes
from lightning_autobalance.optim.finish.normal_equations import NormalEquations
from lightning_autobalance.optim.finish.subsampled import subsampled_step
from lightning_autobalance.shapes import Gradient, Rows
from lightning_autobalance.utils.arguments import check_at_least, check_positive

TRIALS = 20  # dampings tried in one step
LEAST_DAMPING = 1e-15  # of the mean diagonal of J J^T
STENCIL = 0.1  # part of the step over which the second derivative along it is taken; Transtrum and Sethna
IDLE_STEPS = 3
FEW_ROWS = 1500  # of a step where all do not fit into the memory
MOST_SMALL = 1e-300
LARGEST_BEND = 0.75  # of 2 |acceleration| / |velocity|; likewise


class _Trial(NamedTuple):
    """Where a step with one damping leads."""

    weights: Gradient
    loss: float
    predicted: float
    bend: float


@final
class LevenbergMarquardt(Finisher):
    r"""Damped Gauss-Newton steps on all residual values, with geodesic acceleration.

    .. math::
        v = -(J^T J + \mu I)^{-1} J^T r, \qquad
        a = -(J^T J + \mu I)^{-1} J^T \, \partial_v^2 r, \qquad w \leftarrow w + v + \tfrac12 a

    A step is accepted if the loss :math:`\|r\|^2` falls. The gain ratio :math:`\rho` of the actual to the predicted
    decrease sets the next damping: :math:`\mu \leftarrow \mu \max(\tfrac15, 1 - (2 \rho - 1)^3)`. A step that is not
    accepted is tried again with :math:`\mu \leftarrow \mu \nu`, where :math:`\nu` doubles each time. The second
    derivative along v is taken from one more evaluation of r; where :math:`2 |a| > 0.75 |v|`, the damping grows.

    The system is solved with the smaller of :math:`J J^T`, (N, N), and :math:`J^T J`, (n, n). The matrices take
    :math:`8 (N n + 3 \min(N, n)^2)` bytes in float64, beside the graph of the residuals. Where they are more than
    ``memory``, or ``rows`` says so, a step takes a random part of the rows, with momentum and a line search on all of
    them (see `subsampled`).

    Args:
        steps: Number of steps, the last ones of the run; -1 for the whole run.
        damping: The first :math:`\mu`, relative to the mean of the diagonal of :math:`J J^T`.
        geodesic: Whether to accelerate.
        memory: Largest memory for matrices, in bytes.
        rows: Number of rows of a step. By default all, or 1500 where all do not fit into ``memory``.
        tolerance: A step that lowers the loss by less than this part of it ends the run, if the next two do, too.
        dtype: Type in which it computes.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Marquardt, 1963; Nielsen, IMM-REP-1999-05, for the damping; Transtrum and Sethna, arXiv 1201.5885, for the
        acceleration. For PINNs: Jnini and Vella, arXiv 2505.21404, with J J^T; Guzman-Cordero et
        al., arXiv 2505.12149, with parts of the rows.

    Note:
        The damping multiplies the identity, not the diagonal of :math:`J^T J`, as Nielsen has it.
    """

    needs_rows = True

    def __init__(
        self,
        steps: int,
        damping: float = 1e-3,
        geodesic: bool = True,
        memory: float = 2 * 2**30,
        rows: int | None = None,
        tolerance: float = 1e-10,
        dtype: Literal["float64", "float32"] = "float64",
    ) -> None:
        super().__init__(steps, dtype)
        check_positive("damping", damping)
        check_positive("memory", memory)
        if rows is not None:
            check_positive("rows", rows)
        check_at_least("tolerance", tolerance, 0)
        self.damping = damping
        self.geodesic = geodesic
        self.memory = memory
        self.rows = rows
        self.tolerance = tolerance

    def step(self, objective: Objective, weights: Gradient) -> FinishStep:
        """Take one step; see the class."""
        rows, jacobian = objective.jacobian(weights)
        if (count := self._rows_that_fit(*jacobian.shape)) < len(rows):
            return subsampled_step(objective, weights, rows, jacobian, self.state, count=count, damping=self.damping)
        loss, solver = float(rows @ rows), NormalEquations(jacobian.dense())
        del jacobian  # its blocks are not needed beside the whole
        scale = solver.square_norm / len(rows)  # mean diagonal of J J^T
        if not isfinite(loss) or not isfinite(scale) or loss == 0 or scale == 0:
            return FinishStep(weights, loss, False, {}, "the residuals or their derivatives are zero or not finite")
        damping, growth = self.state.get("damping", self.damping * scale), 2.0
        for trial in range(1, TRIALS + 1):
            found = self._trial(objective, solver, weights, rows, damping)
            if found is not None and found.loss < loss:
                gain = (loss - found.loss) / max(found.predicted, MOST_SMALL)
                least = LEAST_DAMPING * scale
                self.state["damping"] = max(damping * max(0.2, 1 - (2 * min(gain, 1.0) - 1) ** 3), least)
                numbers = {"damping": damping, "gain_ratio": gain, "trials": float(trial), "bend": found.bend}
                return FinishStep(found.weights, found.loss, True, numbers, self._stop(loss, found.loss))
            damping, growth = damping * growth, 2 * growth
        reason = f"no step lowers the loss any more, the largest damping was {damping:.1e}"
        return FinishStep(weights, loss, False, {"damping": damping, "trials": float(TRIALS)}, reason)

    def _rows_that_fit(self, rows: int, parameters: int) -> int:
        """How many of the rows a step takes."""
        most = rows if self.rows is None else min(self.rows, rows)
        return most if self._bytes(most, parameters) <= self.memory else min(FEW_ROWS, most)

    def _bytes(self, rows: int, parameters: int) -> float:
        return float(self.torch_dtype.itemsize) * (rows * parameters + 3 * min(rows, parameters) ** 2)

    def check_size(self, rows: int, parameters: int) -> None:
        """Refuse a network of which not even a few rows fit into ``memory``."""
        taken = self._rows_that_fit(rows, parameters)
        if (needed := self._bytes(taken, parameters)) > self.memory:
            raise ValueError(
                f"`memory` of LevenbergMarquardt must hold {taken:,} rows of {parameters:,} parameters, "
                f"{mebibytes(needed)}, got {mebibytes(self.memory)}. Raise it, lower `rows`, or take LBFGS."
            )

    def _trial(
        self, objective: Objective, solver: NormalEquations, weights: Gradient, rows: Rows, damping: float
    ) -> _Trial | None:
        """Where one damping leads; None where it is too small."""
        if not solver.factorise(damping):
            return None
        velocity = -solver.solve(rows)
        along = solver.times(velocity)
        predicted = float(-(2 * rows + along) @ along)
        move, bend = velocity, 0.0
        if self.geodesic:
            ahead = objective.rows(weights + STENCIL * velocity)
            curvature = 2 / STENCIL * ((ahead - rows) / STENCIL - along)
            acceleration = -solver.solve(curvature)
            bend = float(2 * acceleration.norm() / velocity.norm())
            if not bend <= LARGEST_BEND:
                return None
            move = velocity + acceleration / 2
        moved = weights + move
        there = objective.rows(moved)
        return _Trial(moved, float(there @ there), predicted, bend)

    def _stop(self, before: float, after: float) -> str:
        """Why the run ends: some steps in a row that gained next to nothing."""
        little = before - after <= self.tolerance * before
        self.state["idle"] = self.state.get("idle", 0) + 1 if little else 0
        if self.state["idle"] < IDLE_STEPS:
            return ""
        return f"the last {IDLE_STEPS} steps lowered the loss by less than {self.tolerance:g} of it each"
