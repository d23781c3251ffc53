"""Errors against the exact solution, as torchmetrics."""

from typing import final

import torch
from torch import Tensor
from torchmetrics import MeanSquaredError, Metric, MetricCollection

from lightning_autobalance.shapes import Fields, Scalar


@final
class LInfinity(Metric):
    r"""Largest absolute error over all points and fields, :math:`\max_{jl} |\hat u_{jl} - u_{jl}|`."""

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    largest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("largest", torch.tensor(0.0), dist_reduce_fx="max")

    def update(self, preds: Fields, target: Fields) -> None:
        """Look at more points.

        Args:
            preds: (b, k).
            target: (b, k).
        """
        self.largest = torch.maximum(self.largest.to(preds.dtype), (preds - target).abs().max())

    def compute(self) -> Scalar:
        """The largest error so far."""
        return self.largest


@final
class RelativeL2(Metric):
    r"""Norm of the error by the norm of the exact solution, over all points: :math:`\|\hat u - u\|_2 / \|u\|_2`.

    Zero where both are zero, infinite where only the exact solution is.
    """

    higher_is_better = False
    is_differentiable = True
    full_state_update = False
    error: Tensor
    size: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("error", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("size", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, preds: Fields, target: Fields) -> None:
        """Look at more points.

        Args:
            preds: (b, k).
            target: (b, k).
        """
        self.error = self.error.to(preds.dtype) + (preds - target).square().sum()
        self.size = self.size.to(preds.dtype) + target.square().sum()

    def compute(self) -> Scalar:
        """The quotient of both norms."""
        quotient = (self.error / self.size).sqrt()
        return torch.where(self.error == 0, torch.zeros_like(quotient), quotient)


def solution_metrics(prefix: str = "val/") -> MetricCollection:
    """Mean squared error, L-infinity and relative L2 error, under the keys ``mse``, ``linf`` and ``rel_l2``.

    Args:
        prefix: Before the keys.
    """
    # Each keeps its own state (no compute groups): the three share none, and finding that out costs a pass.
    metrics: dict[str, Metric | MetricCollection] = {
        "mse": MeanSquaredError(),
        "linf": LInfinity(),
        "rel_l2": RelativeL2(),
    }
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
