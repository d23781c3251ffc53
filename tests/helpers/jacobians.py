"""Jacobians of every kind that training meets, seeded."""

import torch
from torch import Tensor

SCALES = (1e-8, 1.0, 1e8)
RATIOS = (1.0, 1e3, 1e6)  # of the largest norm by the least


def jacobian(
    m: int, n: int = 40, seed: int = 0, scale: float = 1.0, ratio: float = 1.0, rank: int | None = None
) -> Tensor:
    """Gaussian rows in float64.

    Args:
        m: Rows.
        n: Columns.
        seed: Of the numbers.
        scale: Factor of all.
        ratio: Of the last row's norm to the first's.
        rank: Of the matrix; m by default.
    """
    generator = torch.Generator().manual_seed(seed)
    rank = m if rank is None else rank
    left = torch.randn(m, rank, generator=generator, dtype=torch.float64)
    right = torch.randn(rank, n, generator=generator, dtype=torch.float64)
    rows = torch.randn(m, n, generator=generator, dtype=torch.float64) if rank == m else left @ right
    sizes = torch.logspace(0, torch.tensor(ratio).log10().item(), m, dtype=torch.float64)
    return scale * sizes[:, None] * rows / rows.norm(dim=1, keepdim=True)
