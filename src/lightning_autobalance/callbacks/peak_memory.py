"""The memory of a run."""

import sys
from contextlib import suppress

import torch

with suppress(ImportError):  # Windows has none
    import resource


def peak_memory(device: torch.device) -> int:
    """Peak memory in bytes, of the tensors on a GPU or of this process; 0 where the system does not tell.

    Args:
        device: Of the module.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if "resource" not in globals():
        return 0
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else 1024 * kilobytes  # macOS counts bytes
