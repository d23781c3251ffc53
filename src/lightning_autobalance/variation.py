"""What joins a variant to a module: what it may know, and the losses of a training step."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_autobalance import together
from lightning_autobalance.kernels import origins
from lightning_autobalance.utils.distributed import single_process
from lightning_autobalance.variants import MeanSquares, ProblemInfo, StepContext, Variant

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule


def prepare(module: "PINNModule", points: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Show a module's variant the problem.

    Args:
        module: Its variant and residuals.
        points: Any few, by part, each (b, d); different parts with different numbers where possible.

    Returns:
        The names of the loss terms; none where the variant was not asked.

    Raises:
        MisconfigurationException: If the variant cannot work there.
    """
    module.variant_prepared = True
    if isinstance(module.variant, MeanSquares):
        return ()
    name = type(module.variant).__name__
    if module.has_own_losses:
        raise MisconfigurationException(
            f"`variant` must be left out where a module gives only losses, got {name}, which works on the residuals of "
            f"single points. Write `residuals` in {type(module).__name__} in place of `losses`."
        )
    trainer = module.trainer if module._trainer is not None else None
    steps = 0 if trainer is None else trainer.max_steps if trainer.max_steps >= 0 else None
    redrawn = getattr(getattr(trainer, "datamodule", None), "resample_every", 0)
    problem = ProblemInfo(module.domain, _parts_of_terms(module, points), steps, redrawn)
    try:
        seen = module.variant.prepare(problem)
    except ValueError as error:
        raise MisconfigurationException(f"`variant` {name} cannot work with this run: {error}") from error
    if (
        module.balancer is not None
        and module.balancer.needs_ntk
        and seen.parts_of_terms.keys() != problem.parts_of_terms.keys()
    ):
        raise MisconfigurationException(
            f"`balancer` must not be {type(module.balancer).__name__} with the variant {name}: it weighs terms by the "
            f"kernels of their residuals, and {name} adds a term that has none. Take another balancer."
        )
    return tuple(seen.parts_of_terms)


def has_points(variant: Variant) -> bool:
    """Whether a variant remembers points from training.

    Args:
        variant: Of a module.
    """
    parts = [part for part in variant.modules() if isinstance(part, Variant)]
    return any(getattr(part, name).numel() for part in parts for name in part.per_point)


def losses(module: "PINNModule", points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The losses of this process's points with the variant's state as it is.

    Args:
        module: Its variant and residuals.
        points: The data's, by part, each (b, d).
    """
    _ensure_prepared(module, points)
    with single_process():  # a callback may ask in one process only
        placed = module.variant.place(points)
        found: dict[str, Tensor] = module.variant(placed, module.residuals(placed))
    return found


def started(module: "PINNModule", points: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
    """Start a training step: the points where its residuals are taken.

    Args:
        module: Its variant and residuals.
        points: The data's, by part, each (b, d).
        step: Number of optimizer steps done before.
    """
    _ensure_prepared(module, points)
    variant = module.variant
    variant.begin(StepContext(step, lambda there: _without_graph(module, there)), points)
    placed = variant.perturb(variant.place(points))
    return {part: x.detach().requires_grad_(x.requires_grad) for part, x in placed.items()}  # leaves, to compile


def learnt(module: "PINNModule", placed: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The losses of a training step, once per step: the variant's state moves on.

    Args:
        module: Its variant and residuals.
        placed: From `started`, by part, each (b, d).

    Returns:
        The losses by term, and over how many values each is averaged.
    """
    rows = module.variant.learn(placed, together.residuals(module, placed))
    return module.variant.reduce(rows), {term: row.numel() for term, row in rows.items()}


def learnt_before(module: "PINNModule", placed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The losses of the same training step once more; changes no state.

    Args:
        module: Its variant and residuals.
        placed: From `started`, by part, each (b, d).
    """
    found: dict[str, Tensor] = module.variant(placed, together.residuals(module, placed))
    return found


def _ensure_prepared(module: "PINNModule", points: Mapping[str, Tensor]) -> None:
    if not module.variant_prepared:
        prepare(module, points)


def _without_graph(module: "PINNModule", points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        return {term: residual.detach() for term, residual in module.residuals(points).items()}


def _parts_of_terms(module: "PINNModule", points: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
    """By term, the parts that its rows follow from; a part alone only where there is one row per point."""
    found = {}
    for term, rows in origins(module, points).items():
        parts = tuple(dict.fromkeys(part for row in rows for part in row))
        single = len(parts) == 1 and all(row == parts for row in rows) and len(rows) == len(points[parts[0]])
        found[term] = (*parts, "not pointwise") if len(parts) == 1 and not single else parts
    return found
