"""Warnings that every process would give are given once."""

import warnings

from lightning_autobalance.utils.distributed import rank


def rank_zero_warn(message: str, stacklevel: int = 3) -> None:
    """Warn in the first process only; for code that does not know Lightning, which has a function of this name.

    Args:
        message: The text.
        stacklevel: Of ``warnings.warn``.
    """
    if rank() == 0:
        warnings.warn(message, UserWarning, stacklevel=stacklevel)
