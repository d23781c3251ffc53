"""Lines of Lightning that say nothing about a run, and are left out of its output."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.rank_zero import rank_zero_module

NOISE = re.compile(
    r"^💡 Tip:|"  # names a service
    r"^TPU available: False|^GPU available: False|"
    r"^`Trainer\.fit` stopped: `max_(steps|epochs)=\d+` reached"  # as it was told to; the table has the steps
)


def _speaks_of_the_run(record: logging.LogRecord) -> bool:
    return NOISE.search(record.getMessage()) is None


@contextmanager
def without_noise() -> Iterator[None]:
    """While open, Lightning is silent where it has nothing to say about the run."""
    log: logging.Logger = rank_zero_module.log
    log.addFilter(_speaks_of_the_run)
    try:
        yield
    finally:
        log.removeFilter(_speaks_of_the_run)
