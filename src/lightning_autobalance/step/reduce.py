"""Stage 3: losses and gradients of terms whose points are spread over processes."""

from dataclasses import replace

import torch
from torch import Tensor

from lightning_autobalance.step.term_gradients import TermGradients
from lightning_autobalance.utils.distributed import sum_over_ranks, world_size


def reduce_over_ranks(gradients: TermGradients, *, stop: bool = False) -> tuple[TermGradients, bool | Tensor]:
    r"""What one process with the points of all of them would have, in one collective.

    .. math:: L_i = \frac{\sum_r n_{ri} L_{ri}}{\sum_r n_{ri}}, \quad
        J_i = \frac{\sum_r n_{ri} J_{ri}}{\sum_r n_{ri}}

    where process r averages term i over :math:`n_{ri}` values. The counts travel with the gradients, so that they may
    change from step to step. A process whose share of a term is empty contributes nothing to it: its mean over no
    values, which is NaN, is left out.

    Args:
        gradients: Of this process.
        stop: Whether this process wants to stop. It travels with the gradients, so that all agree on the step after
            which they stop.

    Returns:
        The gradients, and whether any process wants to stop: a 0-dim tensor on their device, still to be read, or of a
        single process ``stop`` itself.
    """
    if world_size() == 1:
        return gradients, stop
    blocks = [block for block in gradients.blocks if block is not None]
    counts = torch.tensor(gradients.counts, dtype=blocks[0].dtype, device=blocks[0].device)
    means = torch.cat(
        [gradients.losses.to(counts)[:, None], *(block.reshape(len(block), -1) for block in blocks)], dim=1
    )
    shares = counts[:, None] * means
    if 0 in gradients.counts:
        shares[counts == 0] = 0.0
    sums = sum_over_ranks(torch.cat([counts[:, None], torch.full_like(counts, float(stop))[:, None], shares], dim=1))
    means = sums[:, 2:] / sums[:, :1]
    parts = iter(torch.split(means[:, 1:], [block[0].numel() for block in blocks], dim=1))
    reduced = replace(
        gradients,
        losses=means[:, 0].to(gradients.losses),
        blocks=[block if block is None else next(parts).reshape(block.shape) for block in gradients.blocks],
        counts=sums[:, 0],
    )
    return reduced, sums[0, 1] > 0
