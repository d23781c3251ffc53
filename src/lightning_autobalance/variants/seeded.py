"""Random numbers of variants."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_autobalance.utils.arguments import check_at_least
from lightning_autobalance.utils.distributed import rank, world_size
from lightning_autobalance.utils.plain import plain


class Seeded(nn.Module):
    """A mixin for variants that draw random numbers.

    A draw depends on the seed and on its key only, such as the step, so that a resumed run draws the same.
    """

    seed: int

    def _set_seed(self, seed: int | None) -> None:
        if seed is not None:
            check_at_least("seed", seed, 0)
        self.seed = plain(seed) if seed is not None else torch.initial_seed()

    def draws(self, key: Sequence[int], rows: int, columns: int) -> Tensor:
        """Uniform random numbers in [0, 1) for the rows of this process, in float64, (rows, columns).

        A row's numbers do not depend on how many processes share the rows.

        Args:
            key: Integers >= 0 that identify the draw, such as the step.
            rows: Number of rows of this process.
            columns: Random numbers per row.
        """
        generator = np.random.Generator(np.random.PCG64([self.seed, *key]))
        last = rank() + world_size() * (rows - 1)
        return torch.as_tensor(generator.random((last + 1, columns))[rank() :: world_size()])

    def get_extra_state(self) -> dict[str, Any]:
        """The seed, for the checkpoint."""
        return {"seed": self.seed}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the seed from a checkpoint."""
        self.seed = state["seed"]
