"""The first batch from a loader of the user's own, in place of `CollocationPoints`."""

from collections.abc import Mapping

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_autobalance.points import Domain
from lightning_autobalance.training.batches import example_batch


def check_batch(points: Mapping[str, Tensor], domain: Domain) -> None:
    """Check shapes and values of the first batch.

    Args:
        points: From `as_points`.
        domain: Of the problem.

    Raises:
        MisconfigurationException: If it is empty, a part of the domain has another shape than (b, d) with b >= 1, or a
            value is not finite.
    """
    if not points:
        raise MisconfigurationException(
            f"A batch of the loader must hold points by part of the domain {example_batch(domain)}, got an empty one."
        )
    columns = ", ".join(domain.coordinates)
    for part, x in points.items():
        if part in domain.parts and (x.dim() != 2 or x.shape[0] == 0 or x.shape[1] < len(domain.coordinates)):
            raise MisconfigurationException(
                f"`{part}` in the batches of the loader must have shape (b, {len(domain.coordinates)}), a row per "
                f"point and a column per coordinate ({columns}), got {tuple(x.shape)}. {_remedy(x)}"
            )
        if x.is_floating_point() and not torch.isfinite(x).all():
            raise MisconfigurationException(
                f"`{part}` in the batches of the loader must be finite, got {int((~torch.isfinite(x)).sum())} NaN or "
                f"infinite values among {x.numel()}. Remove them from the data."
            )


def _remedy(x: Tensor) -> str:
    if x.dim() > 2:
        return "A DataLoader stacks its items: give it `batch_size=None` where an item is a whole batch."
    if x.dim() == 1:
        return "Add the second dimension, `x[:, None]`."
    return "Give every coordinate a column." if len(x) else "Give the part at least one point."
