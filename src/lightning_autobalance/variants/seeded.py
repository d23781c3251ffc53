"""Variants that draw random numbers."""

from typing import Any

import numpy as np
import torch
from torch import nn


class Seeded(nn.Module):
    """A second base of variants that draw: from the seed and the step alone, so that a resumed run draws the same."""

    seed: int

    def _set_seed(self, seed: int | None) -> None:
        if seed is not None and seed < 0:
            raise ValueError(f"`seed` must be >= 0, got {seed}.")
        self.seed = seed if seed is not None else torch.initial_seed()

    def generator(self, step: int) -> np.random.Generator:
        """The random numbers of a step.

        Args:
            step: Number of optimizer steps done before.
        """
        return np.random.Generator(np.random.PCG64([self.seed, step]))

    def get_extra_state(self) -> dict[str, Any]:
        """The seed, for the checkpoint."""
        return {"seed": self.seed}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take it back.

        Args:
            state: What `get_extra_state` gave.
        """
        self.seed = state["seed"]
