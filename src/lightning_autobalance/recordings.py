"""How a device repeats a list of kernels without Python: on CUDA by a graph."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """A CUDA graph: one launch for all kernels.

    Args:
        device: On which the tensors lie.
    """

    def __init__(self, device: torch.device) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def capture(self, function: Callable[[], None]) -> None:
        """Run the function once as it is, then capture it.

        The first run sets up what libraries keep, and finds what would wait for the device while that is harmless: a
        capture that fails leaves torch's random numbers and memory pools in a state that later work stumbles over.
        """
        before = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(before)
        try:
            with torch.cuda.stream(self._stream), _waiting_is_an_error():
                function()
            torch.cuda.synchronize(self._stream.device)
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                function()
        finally:
            torch.cuda.set_stream(before)
        before.wait_stream(self._stream)

    def replay(self) -> None:
        """Launch the graph on the current stream."""
        self._graph.replay()


@contextmanager
def _waiting_is_an_error() -> Iterator[None]:
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


RECORDINGS: dict[str, Callable[[torch.device], Recording]] = {"cuda": CudaRecording}  # by type of device
