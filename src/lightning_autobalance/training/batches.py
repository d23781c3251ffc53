"""Batches of a training run: from `CollocationPoints`, or from a loader of the user's own."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_autobalance.points import Domain, MeasuredParts

EvaluationBatch: TypeAlias = Tensor | tuple[Tensor, Tensor] | list[Tensor] | dict[str, Tensor]
"""Points where a solution is exact, points and the solution there, or points by part for losses."""


def has_own_loader(trainer: Any) -> bool:
    """Whether a Trainer takes its batches from a loader of the user's own; False without a Trainer."""
    return trainer is not None and not hasattr(getattr(trainer, "datamodule", None), "points_at")


def point_counts(trainer: Any) -> Mapping[str, int] | None:
    """Number of training points by part of the domain; None where they are not known."""
    data = None if trainer is None or has_own_loader(trainer) else trainer.datamodule
    return getattr(data, "counts", None)


def measured_parts(trainer: Any) -> MeasuredParts:
    """The measurements of a run; none where they are not known."""
    data = None if trainer is None or has_own_loader(trainer) else trainer.datamodule
    found: MeasuredParts = getattr(data, "measurements", None) or MeasuredParts(None)
    return found


def points_of_step(batch: Mapping[str, Tensor], trainer: Any, field: Any) -> Mapping[str, Tensor]:
    """The points of one optimizer step; those of a loader of the user's own in the network's type.

    Args:
        batch: The batch of the step.
        trainer: Of the run.
        field: The `NeuralField` with its domain and dtype.
    """
    return as_points(batch, field.domain, field.points_dtype) if has_own_loader(trainer) else batch


def as_points(batch: Any, domain: Domain, dtype: torch.dtype) -> dict[str, Tensor]:
    """A batch as points of the network's type; in every step, so that no value is read from the device.

    Floating point entries are converted, and integers where the name is that of a part of the domain: other integers
    may be indices.

    Args:
        batch: From a loader; by part of the domain, each (b, d), and whatever else the residuals use.
        domain: Of the problem.
        dtype: That of the network.

    Raises:
        MisconfigurationException: If the batch is not a mapping to tensors of real numbers.
    """
    if not isinstance(batch, Mapping):
        raise MisconfigurationException(
            f"A batch of the loader must be a mapping, points by part of the domain {example_batch(domain)}, got a "
            f"{type(batch).__name__}. Let the loader yield a dictionary of tensors."
        )
    points = {}
    for part, x in batch.items():
        if not isinstance(x, Tensor) or x.is_complex():
            found = f"type {x.dtype}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise MisconfigurationException(
                f"`{part}` in the batches of the loader must be a tensor of real numbers, got {found}. Convert it with "
                "`torch.as_tensor` in the data set."
            )
        converts = x.dtype != dtype and (x.is_floating_point() or part in domain.parts)
        points[part] = x.to(dtype) if converts else x
    return points


def example_batch(domain: Domain) -> str:
    """How a batch looks, for messages."""
    parts = ", ".join(f"{part!r}: (b, {len(domain.coordinates)})" for part in domain.parts)
    return f"{{{parts}}}"


def has_several_sizes(trainer: Any) -> bool:
    """Whether the batch that Lightning holds is points by part, of different numbers."""
    batch = getattr(getattr(trainer, "_results", None), "batch", None)
    return isinstance(batch, Mapping) and len({len(x) for x in batch.values() if isinstance(x, Tensor)}) > 1
