"""Errors of the fields against the exact or a reference solution, as torchmetrics."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from lightning_autobalance.shapes import Fields, Scalar


@final
class MSE(Metric):
    r"""Mean of the squared error over all points and fields, :math:`\frac{1}{bk} \sum_{jl} (\hat u_{jl} - u_{jl})^2`.

    Note:
        torchmetrics' ``MeanSquaredError`` accumulates in float32 even for float64 fields.
    """

    higher_is_better = False
    is_differentiable = True
    full_state_update = False
    error: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("error", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Fields, target: Fields) -> None:
        """Add a batch of points.

        Args:
            preds: Fields of the network, (b, k).
            target: Fields of the exact solution, (b, k).

        Raises:
            ValueError: If their shapes differ.
        """
        self.error = self.error + _error(preds, target).square().sum()
        self.count = self.count + target.numel()

    def compute(self) -> Scalar:
        """The mean over all batches."""
        return self.error / self.count


@final
class LInfinity(Metric):
    r"""Largest absolute error over all points and fields, :math:`\max_{jl} |\hat u_{jl} - u_{jl}|`; NaN if any is NaN.

    Note:
        torchmetrics has no maximum error; its ``MinkowskiDistance`` needs a finite exponent.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    largest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("largest", torch.tensor(0.0), dist_reduce_fx="max")

    def update(self, preds: Fields, target: Fields) -> None:
        """Add a batch of points.

        Args:
            preds: Fields of the network, (b, k).
            target: Fields of the exact solution, (b, k).

        Raises:
            ValueError: If their shapes differ.
        """
        self.largest = torch.maximum(self.largest, _error(preds, target).abs().max())

    def compute(self) -> Scalar:
        """The maximum over all batches."""
        return self.largest


@final
class RelativeL2(Metric):
    r"""Norm of the error divided by that of the exact solution over all points, :math:`\|\hat u - u\|_2 / \|u\|_2`.

    Zero if both norms are zero, infinite if only that of the exact solution is.

    Args:
        column: The field that is compared; all by default.

    Note:
        torchmetrics' ``RelativeSquaredError`` divides by the deviation from the mean instead, and its
        ``NormalizedRootMeanSquaredError`` divides the root *mean* square by the norm.
    """

    higher_is_better = False
    is_differentiable = True
    full_state_update = False
    error: Tensor
    size: Tensor

    def __init__(self, column: int | None = None) -> None:
        super().__init__()
        self._columns = slice(None) if column is None else slice(column, column + 1)
        self.add_state("error", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("size", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, preds: Fields, target: Fields) -> None:
        """Add a batch of points.

        Args:
            preds: Fields of the network, (b, k).
            target: Fields of the exact solution, (b, k).

        Raises:
            ValueError: If their shapes differ.
        """
        error = _error(preds, target)[:, self._columns]
        self.error = self.error + error.square().sum()
        self.size = self.size + target[:, self._columns].to(error.dtype).square().sum()

    def compute(self) -> Scalar:
        """The ratio of the norms over all batches."""
        ratio = (self.error / self.size).sqrt()
        return torch.where(self.error == 0, torch.zeros_like(ratio), ratio)


def solution_metrics(prefix: str = "val/", fields: Sequence[str] = ()) -> MetricCollection:
    """Mean squared error, L-infinity and relative L2 error, under the keys ``mse``, ``linf`` and ``rel_l2``.

    Args:
        prefix: Prefix of the keys.
        fields: Names of the fields; of several, each has its own relative L2 error, as ``rel_l2/<field>``.
    """
    # They share no state, so there are no compute groups to look for.
    metrics: dict[str, Metric | MetricCollection] = {"mse": MSE(), "linf": LInfinity(), "rel_l2": RelativeL2()}
    if len(fields) > 1:
        metrics |= {f"rel_l2/{name}": RelativeL2(column) for column, name in enumerate(fields)}
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)


def _error(preds: Tensor, target: Tensor) -> Tensor:
    if preds.shape != target.shape:  # (b, 1) and (b,) would broadcast to (b, b)
        raise ValueError(
            f"`preds` and `target` must have the same shape, got {tuple(preds.shape)} and {tuple(target.shape)}."
        )
    dtype = torch.promote_types(torch.promote_types(preds.dtype, target.dtype), torch.float32)  # no sums in half
    return preds.to(dtype) - target.to(dtype)
