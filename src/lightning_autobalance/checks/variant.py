"""Compatibility of a variant with the problem and the balancer."""

from collections.abc import Mapping

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_autobalance.balancing import Balancer
from lightning_autobalance.step import losses_outside_training
from lightning_autobalance.step.losses import PointFunction
from lightning_autobalance.variants import MeanSquares, ProblemInfo, Variant


def prepare_variant(variant: Variant, problem: ProblemInfo, balancer: Balancer | None) -> tuple[str, ...]:
    """Prepare a variant for the problem.

    Args:
        variant: The variant of the run; its `prepare` is called.
        problem: Domain, loss terms and length of the run.
        balancer: The balancer of the run; one that needs kernels cannot weigh terms that the variant adds.

    Returns:
        The names of the loss terms, those that the variant adds last.

    Raises:
        MisconfigurationException: If the variant cannot work with the problem or the balancer.
    """
    name = type(variant).__name__
    try:
        prepared = variant.prepare(problem)
    except ValueError as error:
        raise MisconfigurationException(f"`variant` {name} cannot work with this run: {error}") from error
    adds_terms = prepared.parts_of_terms.keys() != problem.parts_of_terms.keys()
    if balancer is not None and balancer.needs_ntk and adds_terms:
        raise MisconfigurationException(
            f"`balancer` must not be {type(balancer).__name__} with the variant {name}: it weighs terms by the "
            f"kernels of their residuals, and {name} adds a term that has none. Take another balancer."
        )
    return tuple(prepared.parts_of_terms)


def check_variant_has_residuals(variant: Variant, problem: str, *, own_losses: bool) -> None:
    """Refuse a variant in a module that overrides ``losses``, which leaves the variant no residuals.

    Args:
        variant: The variant of the run.
        problem: Name of the module's class.
        own_losses: Whether the module overrides ``losses``.

    Raises:
        MisconfigurationException: If it does, and the variant is not the default `MeanSquares`.
    """
    if own_losses and not isinstance(variant, MeanSquares):
        raise MisconfigurationException(
            f"`variant` must be left out where a module gives only losses, got {type(variant).__name__}, which works "
            f"on the residuals of single points. Write `residuals` in {problem} in place of `losses`."
        )


def check_variant_losses(
    variant: Variant, residuals: PointFunction, points: Mapping[str, Tensor], problem: str
) -> tuple[str, ...]:
    """Compute the losses once, without changing the variant's state.

    Args:
        variant: The variant of the run, already prepared.
        residuals: Maps points by part to residuals by term.
        points: By part, each (b, d).
        problem: Name of the module's class.

    Returns:
        The names of the loss terms.

    Raises:
        MisconfigurationException: If the variant cannot work with the residuals.
    """
    try:
        with torch.enable_grad():
            return tuple(losses_outside_training(variant, residuals, points))
    except ValueError as error:
        raise MisconfigurationException(
            f"`variant` {type(variant).__name__} cannot work with {problem}: {error}"
        ) from error


def holds_points(variant: Variant) -> bool:
    """Whether a variant already has state per point, from an earlier run or a checkpoint; it fits only those points."""
    parts = [part for part in variant.modules() if isinstance(part, Variant)]
    return any(getattr(part, name).numel() for part in parts for name in part.per_point)
