"""Variants that draw random numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_autobalance.utils.distributed import rank, world_size


class Seeded(nn.Module):
    """A second base of variants that draw: from the seed and the step alone, so that a resumed run draws the same."""

    seed: int

    def _set_seed(self, seed: int | None) -> None:
        if seed is not None and seed < 0:
            raise ValueError(f"`seed` must be >= 0, got {seed}.")
        self.seed = seed if seed is not None else torch.initial_seed()

    def draws(self, numbers: Sequence[int], rows: int, columns: int) -> Tensor:
        """Uniform numbers in [0, 1) for the rows of this process, in float64, (rows, columns).

        Row i of all points gets the same numbers however many processes share them.

        Args:
            numbers: Which draw it is.
            rows: How many this process has.
            columns: Numbers per row.
        """
        generator = np.random.Generator(np.random.PCG64([self.seed, *numbers]))
        last = rank() + world_size() * (rows - 1)
        return torch.as_tensor(generator.random((last + 1, columns))[rank() :: world_size()])

    def get_extra_state(self) -> dict[str, Any]:
        """The seed, for the checkpoint."""
        return {"seed": self.seed}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take it back.

        Args:
            state: What `get_extra_state` gave.
        """
        self.seed = state["seed"]
