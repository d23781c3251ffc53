"""Reference solutions between their points, with derivatives: splines as functions of torch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import NdBSpline, make_interp_spline
from torch import Tensor

Real = NDArray[np.float64]
DEGREE = 5


def spline(points: Real, values: Real, box: Sequence[tuple[float, float]]) -> Callable[[Tensor], Tensor]:
    """The spline through those values, (n, k), whose points, (n, d), are in a box, where they must be a whole grid."""
    low, high = np.array(box).T
    kept = ((points >= low - 1e-9) & (points <= high + 1e-9)).all(axis=1)
    rounded, values = points[kept].round(9), values[kept]
    axes = [np.unique(column) for column in rounded.T]
    shape = [len(axis) for axis in axes]
    assert np.prod(shape) == len(rounded), f"no grid: {shape} for {len(rounded)} points"
    knots = []
    coefficients = values[np.lexsort(rounded.T[::-1])].reshape(*shape, -1)
    for i, axis in enumerate(axes):
        made = make_interp_spline(axis, coefficients, k=DEGREE, axis=i)
        knots.append(made.t)
        coefficients = np.moveaxis(made.c, 0, i)
    found = NdBSpline(tuple(knots), np.ascontiguousarray(coefficients), DEGREE)
    return lambda x: _Values.apply(x, found, (0,) * len(axes))


class _Values(torch.autograd.Function):
    """A derivative of the spline; its own derivatives are those one order higher."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, found: NdBSpline, order: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.found, ctx.order = found, order
        return torch.as_tensor(found(x.detach().numpy(), nu=order))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        raised = [tuple(n + (i == j) for j, n in enumerate(ctx.order)) for i in range(x.shape[1])]
        slopes = [(gradient * _Values.apply(x, ctx.found, order)).sum(dim=1) for order in raised]
        return torch.stack(slopes, dim=1), None, None
