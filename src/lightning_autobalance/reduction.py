"""Gradients and losses of loss terms whose points are spread over processes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.distributed import sum_over_ranks, world_size


def reduced(
    values: Losses, blocks: Sequence[Tensor | None], counts: Sequence[int]
) -> tuple[Losses, list[Tensor | None]]:
    r"""What one process with the points of all of them would have, in one collective.

    .. math:: L_i = \frac{\sum_r n_{ri} L_{ri}}{\sum_r n_{ri}}, \quad
        J_i = \frac{\sum_r n_{ri} J_{ri}}{\sum_r n_{ri}}

    where process r averages term i over :math:`n_{ri}` values. The counts travel with the gradients, so that they may
    change from step to step.

    Args:
        values: One loss per term, (m,).
        blocks: One per parameter, (m, \*shape).
        counts: Over how many values each term was averaged here, m numbers.

    Returns:
        The same, of all processes.
    """
    if world_size() == 1:
        return values, list(blocks)
    there = [block for block in blocks if block is not None]
    weight = torch.tensor(counts, dtype=there[0].dtype, device=there[0].device)
    rows = [
        weight[:, None],
        (weight * values.to(weight))[:, None],
        *(weight[:, None] * b.reshape(len(b), -1) for b in there),
    ]
    bucket = sum_over_ranks(torch.cat(rows, dim=1))
    means = bucket[:, 1:] / bucket[:, :1]
    parts = iter(torch.split(means[:, 1:], [block[0].numel() for block in there], dim=1))
    return means[:, 0].to(values), [b if b is None else next(parts).reshape(b.shape) for b in blocks]
