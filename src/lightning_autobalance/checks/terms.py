"""The loss terms of a module, found by evaluating it on a few points with everything that a run does to them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.checks.finish import check_finish_points
from lightning_autobalance.checks.residuals import check_depends_on_network, check_residuals
from lightning_autobalance.checks.variant import (
    check_variant_has_residuals,
    check_variant_losses,
    holds_points,
    prepare_variant,
)
from lightning_autobalance.jacobian import parts_of_terms
from lightning_autobalance.training.batches import has_own_loader, measured_parts, point_counts
from lightning_autobalance.variants import MeanSquares, ProblemInfo


def find_terms(module: Any, points: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names of the loss terms.

    Args:
        module: A `PINNModule`, with or without a Trainer.
        points: By part, each (b, d).

    Raises:
        MisconfigurationException: If residuals, variant or finisher cannot work.
    """
    name = type(module).__name__
    check_variant_has_residuals(module.variant, name, own_losses=module.has_own_losses)
    if module.has_own_losses:
        with torch.enable_grad():
            own = tuple(module.losses(points))
        check_finish_points(module.finish, module, module.losses, points, rows=0)
        return own
    source = "the loader" if has_own_loader(module._trainer) else "`data.points`"
    check_depends_on_network(check_residuals(module, points, source=source), name)
    rows = sum((point_counts(module._trainer) or {}).values()) + measured_parts(module._trainer).values
    check_finish_points(module.finish, module, module.residuals, points, rows=rows)
    terms: tuple[str, ...] = module._prepare_variant(points)
    if holds_points(module.variant):
        return terms  # its weights belong to the points of an earlier run
    return check_variant_losses(module.variant, module.residuals, points, name)


def prepare_variant_of(module: Any, points: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Prepare the variant of a module for its run; the names of the terms, none for plain mean squares.

    Args:
        module: A `PINNModule`, with or without a Trainer.
        points: By part, each (b, d).

    Raises:
        MisconfigurationException: If the variant cannot work with the problem or the balancer.
    """
    if isinstance(module.variant, MeanSquares):
        return ()
    check_variant_has_residuals(module.variant, type(module).__name__, own_losses=module.has_own_losses)
    trainer = module._trainer
    max_steps = 0 if trainer is None else trainer.max_steps if trainer.max_steps >= 0 else None
    resample_every = getattr(getattr(trainer, "datamodule", None), "resample_every", 0)
    problem = ProblemInfo(module.domain, parts_of_terms(module.residuals, points), max_steps, resample_every)
    return prepare_variant(module.variant, problem, module.balancer)
