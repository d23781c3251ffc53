"""What a process has only one of, and each run needs for itself."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class World:
    """The state of torch's and numpy's global random numbers, and the default dtype.

    Args:
        cpu: torch's state.
        devices: That of each accelerator, in their order; none where none was used yet.
        generator: numpy's own generator, not a copy: while it is installed it moves on.
        dtype: torch's default one.
    """

    cpu: Tensor
    devices: tuple[Tensor, ...]
    generator: np.random.BitGenerator
    dtype: torch.dtype

    @classmethod
    def now(cls) -> "World":
        """The present one, to be put back later."""
        used = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = tuple(torch.cuda.get_rng_state_all()) if used else ()
        generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
        return cls(torch.get_rng_state(), devices, generator, torch.get_default_dtype())

    def apart(self) -> "World":
        """The same, with a copy of numpy's generator, which then moves on by itself."""
        copy = np.random.MT19937()
        copy.state = self.generator.state  # type: ignore[assignment]
        return World(self.cpu, self.devices, copy, self.dtype)

    def enter(self) -> None:
        """Put it in the place of the present one."""
        torch.set_rng_state(self.cpu)
        for number, state in enumerate(self.devices):
            torch.cuda.set_rng_state(state, number)
        np.random.set_bit_generator(self.generator)  # type: ignore[attr-defined]
        torch.set_default_dtype(self.dtype)
