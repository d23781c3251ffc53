"""How the C library handles freed memory."""

import ctypes
import os
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # numbers of `mallopt`'s settings, of malloc.h
_LARGEST = 32 * 2**20  # bytes; glibc takes no larger threshold
_KEPT = 2**30  # bytes
_USERS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks of up to 32 MB for the next use, up to 1 GB of them, for the whole process.

    By default it hands large blocks back to the operating system, and every step on a CPU pays for getting each of its
    arrays again, page by page: up to a third of a step of some thousand points and 50 units.

    Returns:
        Whether it was done: not with another C library, nor where the environment already has settings of the
        allocator, or another allocator.
    """
    if sys.platform != "linux" or any(os.environ.get(name) for name in _USERS):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    done = [library.mallopt(_MMAP_THRESHOLD, _LARGEST), library.mallopt(_TRIM_THRESHOLD, _KEPT)]
    return all(done)
