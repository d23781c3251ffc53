"""CAGrad: the mean gradient, moved towards the term that it improves least."""

import math
from typing import Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses
from lightning_autobalance.utils.arguments import check_at_least

Vector = NDArray[np.float64]
POWERS = {"none": 0.0, "linear": 1.0, "square": 2.0}


@final
class CAGrad(GramianAggregator):
    r"""Conflict-averse gradient: of all gradients in a ball around the mean, the one that improves the worst term most.

    .. math:: g = g_0 + c \frac{\|g_0\|}{\|g_w\|} g_w, \quad g_0 = \frac{1}{m} \sum_i J_i, \quad
        g_w = \sum_i w_i J_i, \quad w = \arg\min_{w \in \Delta} g_w \cdot g_0 + c \|g_0\| \|g_w\|

    Args:
        c: Radius of the ball, relative to the norm of the mean gradient.
        rescale: Factor of the result: 1 ("none"), 1 / (1 + c) ("linear") or 1 / (1 + c^2) ("square").

    Raises:
        ValueError: If ``c`` is negative or not finite.

    Reference:
        Liu et al., Conflict-Averse Gradient Descent, NeurIPS 2021.

    Note:
        Two terms are solved in closed form, more by scipy's SLSQP. TorchJD needs a cone solver, and returns zero if the
        squared norm of J is below 1e-4.
    """

    def __init__(self, c: float = 0.5, rescale: Literal["none", "linear", "square"] = "none") -> None:
        super().__init__()
        check_at_least("c", c, 0)
        self.c = c
        self.rescale = rescale

    @property
    def _divisor(self) -> float:
        power = POWERS[self.rescale]
        return 1 + self.c**power if power else 1.0

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of the mean plus those of the correction."""
        m = len(gram)
        size = float(gram.diagonal().max())
        scaled = (gram / size).numpy()
        mean = np.full(m, 1 / m)
        radius = self.c * np.sqrt(max(mean @ scaled @ mean, 0.0))
        simplex = _minimize_two(scaled, radius) if m == 2 else _minimize_many(scaled, radius)
        norm = np.sqrt(max(simplex @ scaled @ simplex, 0.0))
        correction = radius / norm * simplex if norm > 1e-14 else 0.0 * simplex
        return torch.from_numpy((mean + correction) / self._divisor)


def _objective(w: Vector, gram: Vector, radius: float) -> float:
    return float(w @ gram.mean(axis=1)) + radius * math.sqrt(max(float(w @ gram @ w), 0.0))


def _minimize_two(gram: Vector, radius: float) -> Vector:
    """Minimum over the segment (w, 1 - w): at an end, or at a root of the derivative, which is a quadratic equation."""
    slope = gram.mean(axis=1)[0] - gram.mean(axis=1)[1]
    a = gram[0, 0] + gram[1, 1] - 2 * gram[0, 1]
    b, e = 2 * (gram[0, 1] - gram[1, 1]), gram[1, 1]
    square = slope**2 - radius**2 * a
    roots = _roots(4 * a * square, 4 * b * square, 4 * slope**2 * e - radius**2 * b**2)
    inner = [root for root in roots if 0 < root < 1]
    return min((np.array([w, 1 - w]) for w in (0.0, 1.0, *inner)), key=lambda w: _objective(w, gram, radius))


def _roots(a: float, b: float, c: float) -> list[float]:
    """The real roots of a x^2 + b x + c."""
    if a == 0:
        return [-c / b] if b != 0 else []
    inner = b * b - 4 * a * c
    if inner < 0:
        return []
    q = -(b + math.copysign(math.sqrt(inner), b)) / 2  # avoids cancellation
    return [q / a, *([c / q] if q != 0 else [])]


def _minimize_many(gram: Vector, radius: float) -> Vector:
    m = len(gram)
    starts = [np.full(m, 1 / m), *np.eye(m)]
    found = minimize(
        _objective,
        min(starts, key=lambda w: _objective(w, gram, radius)) * 0.99 + 0.01 / m,
        args=(gram, radius),
        method="SLSQP",
        bounds=[(0.0, 1.0)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 200},
    )
    return min([found.x.clip(0.0) / found.x.clip(0.0).sum(), *starts], key=lambda w: _objective(w, gram, radius))
