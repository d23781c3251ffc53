"""Comparison of a fast result with a slow reference: one measure and one tolerance for the whole package."""

from math import inf

import torch
from torch import Tensor


def tolerance(dtype: torch.dtype) -> float:
    """The relative difference attributed to rounding: eps**0.4, 1.7e-3 in float32 and 5.5e-7 in float64.

    Args:
        dtype: Floating point type in which both results were computed.
    """
    return float(torch.finfo(dtype).eps ** 0.4)


def relative_difference(fast: Tensor, slow: Tensor, scale: Tensor | None = None) -> float:
    r"""The largest relative error of a row, :math:`\max_i \|f_i - s_i\| / \|s_i\|`.

    Args:
        fast: (rows, columns).
        slow: The reference, (rows, columns).
        scale: Scales of the rows in place of the norms of ``slow``, (rows,): for rows in which large numbers cancel.

    Returns:
        0 if all rows are equal, infinity if the shapes differ, NaN if a number is not finite.
    """
    if fast.shape != slow.shape:
        return inf
    error = (fast - slow).norm(dim=1)
    size = slow.norm(dim=1) if scale is None else scale
    return float(torch.where(error == 0, error, error / size).max())


def agree(fast: Tensor, slow: Tensor, scale: Tensor | None = None) -> bool:
    """Whether two results differ by no more than rounding; False if a number is not finite.

    Args:
        fast: (rows, columns).
        slow: The reference, (rows, columns).
        scale: See `relative_difference`, (rows,).
    """
    return relative_difference(fast, slow, scale) <= tolerance(slow.dtype)
