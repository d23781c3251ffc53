"""Stage 3: losses and gradients of terms whose points are spread over processes."""

from dataclasses import replace

import torch

from lightning_autobalance.step.term_gradients import TermGradients
from lightning_autobalance.utils.distributed import sum_over_ranks, world_size


def reduce_over_ranks(gradients: TermGradients) -> TermGradients:
    r"""What one process with the points of all of them would have, in one collective.

    .. math:: L_i = \frac{\sum_r n_{ri} L_{ri}}{\sum_r n_{ri}}, \quad
        J_i = \frac{\sum_r n_{ri} J_{ri}}{\sum_r n_{ri}}

    where process r averages term i over :math:`n_{ri}` values. The counts travel with the gradients, so that they may
    change from step to step.

    Args:
        gradients: Of this process.
    """
    if world_size() == 1:
        return gradients
    blocks = [block for block in gradients.blocks if block is not None]
    counts = torch.tensor(gradients.counts, dtype=blocks[0].dtype, device=blocks[0].device)
    rows = [
        counts[:, None],
        (counts * gradients.losses.to(counts))[:, None],
        *(counts[:, None] * block.reshape(len(block), -1) for block in blocks),
    ]
    sums = sum_over_ranks(torch.cat(rows, dim=1))
    means = sums[:, 1:] / sums[:, :1]
    parts = iter(torch.split(means[:, 1:], [block[0].numel() for block in blocks], dim=1))
    return replace(
        gradients,
        losses=means[:, 0].to(gradients.losses),
        blocks=[block if block is None else next(parts).reshape(block.shape) for block in gradients.blocks],
    )
