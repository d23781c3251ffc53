"""Does a fast result agree with a slow one? One measure and one tolerance for the whole package."""

from math import inf

import torch
from torch import Tensor


def tolerance(dtype: torch.dtype) -> float:
    """The largest relative difference that rounding explains: eps**0.4, 1.7e-3 in float32 and 5.5e-7 in float64.

    Args:
        dtype: A floating point type, in which both results were computed.
    """
    return float(torch.finfo(dtype).eps ** 0.4)


def relative_difference(fast: Tensor, slow: Tensor, scale: Tensor | None = None) -> float:
    r"""The largest relative error of a row, :math:`\max_i \|f_i - s_i\| / \|s_i\|`.

    Args:
        fast: (rows, columns).
        slow: What ``fast`` is compared with, (rows, columns).
        scale: Sizes of the rows in place of the norms of ``slow``, (rows,): for rows in which large numbers cancel.

    Returns:
        0 where both rows are equal, infinity for different shapes, NaN where a number is not finite.
    """
    if fast.shape != slow.shape:
        return inf
    error = (fast - slow).norm(dim=1)
    size = slow.norm(dim=1) if scale is None else scale
    return float(torch.where(error == 0, error, error / size).max())


def agree(fast: Tensor, slow: Tensor, scale: Tensor | None = None) -> bool:
    """Whether two results differ by no more than rounding; never where a number is not finite.

    Args:
        fast: (rows, columns).
        slow: (rows, columns).
        scale: See `relative_difference`, (rows,).
    """
    return relative_difference(fast, slow, scale) <= tolerance(slow.dtype)
