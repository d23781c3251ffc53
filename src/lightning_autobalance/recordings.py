"""How a device repeats a list of kernels without Python: on CUDA by a graph."""

from collections.abc import Callable
from typing import Protocol

import torch


class Recording(Protocol):
    """What a function did on a device, to be done again on the same memory."""

    def capture(self, function: Callable[[], None]) -> None:
        """Note the operations of a function; what they leave in memory is undefined until the first replay.

        Args:
            function: Reads and writes tensors that stay where they are. Numbers of Python's are noted as they are.
        """

    def replay(self) -> None:
        """Carry them out, on what now lies in the same tensors."""


class CudaRecording:
    """A CUDA graph: one launch for all kernels."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, function: Callable[[], None]) -> None:
        """Capture; whatever would wait for the device is an error.

        Args:
            function: Its kernels are noted, not run.
        """
        torch.cuda.synchronize()
        with torch.cuda.graph(self._graph):
            function()

    def replay(self) -> None:
        """Launch the graph on the current stream."""
        self._graph.replay()


RECORDINGS: dict[str, Callable[[], Recording]] = {"cuda": CudaRecording}  # by type of device
