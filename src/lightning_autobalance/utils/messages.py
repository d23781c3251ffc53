"""Messages from one process only."""

import logging
import warnings

from lightning_autobalance.utils.distributed import rank


def rank_zero_warn(message: str, stacklevel: int = 3) -> None:
    """Warn on rank 0 only, like Lightning's function of this name, for code that must not import Lightning.

    Args:
        message: The text.
        stacklevel: As in ``warnings.warn``.
    """
    if rank() == 0:
        warnings.warn(message, UserWarning, stacklevel=stacklevel)


def rank_zero_info(message: str) -> None:
    """Log on rank 0 only, by the logger of Lightning's function of this name, likewise.

    Args:
        message: The text.
    """
    if rank() == 0:
        logging.getLogger("lightning.pytorch.utilities.rank_zero").info(message)
