"""Lines of Lightning that say nothing about a run, and are left out of its output."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities import rank_zero

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
    log = logging.getLogger(rank_zero.__name__)
    log.addFilter(_speaks_of_the_run)
    try:
        yield
    finally:
        log.removeFilter(_speaks_of_the_run)
