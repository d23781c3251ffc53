"""Settings of glibc's memory allocator."""

import ctypes
import os
import sys

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # parameters of `mallopt`, from malloc.h
_MMAP_BYTES = 32 * 2**20  # the largest threshold that glibc accepts
_TRIM_BYTES = 2**30
_USER_SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks of up to 32 MB for reuse, at most 1 GB in total, in the whole process.

    By default it returns large blocks to the operating system, and every step on a CPU pays the page faults of
    allocating its arrays again: up to a third of a step of a few thousand points and 50 units.

    Returns:
        Whether it was done: not with another C library, and not if the environment already configures or replaces the
        allocator.
    """
    if sys.platform != "linux" or any(os.environ.get(name) for name in _USER_SETTINGS):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    done = [library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES), library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)]
    return all(done)
