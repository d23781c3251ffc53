"""A finisher, and its combination with the run."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from lightning_autobalance.balancing import Balancer, EqualWeights
from lightning_autobalance.optim.finish import Finisher
from lightning_autobalance.step.finish import converted_to
from lightning_autobalance.step.objective import in_dtype
from lightning_autobalance.variants import Variant


def check_finish(
    finisher: Finisher | None, trainer: Trainer, variant: Variant, balancer: Balancer | None, *, own_losses: str
) -> None:
    """Check that a finisher can take the last steps of a run.

    Args:
        finisher: None to check nothing.
        trainer: Of the run.
        variant: Of the run.
        balancer: Of the run; it works on the steps before.
        own_losses: Name of the module's class if it gives losses in place of residuals, else empty.

    Raises:
        MisconfigurationException: If it cannot.
    """
    if finisher is None:
        return
    name, most = type(finisher).__name__, trainer.max_steps
    if most < 0:
        raise MisconfigurationException(
            f"`max_steps` of the Trainer must be given with `finish`, which takes the last steps, got {most}. Write "
            "`--trainer.max_steps`."
        )
    if finisher.steps > most:
        raise MisconfigurationException(
            f"`steps` of {name} must be at most `trainer.max_steps`, {most}, of which they are the last, got "
            f"{finisher.steps}. Raise `max_steps`, or write -1 for the whole run."
        )
    if isinstance(trainer.precision_plugin, MixedPrecision):
        raise MisconfigurationException(
            f"`precision` must be 32-true or 64-true with `finish`, got {trainer.precision_plugin.precision}: rounded "
            "layers have no useful curvature."
        )
    if own_losses and finisher.needs_rows:
        raise MisconfigurationException(
            f"`finish` must not be {name} where a module gives only losses: it works on residuals. Write `residuals` "
            f"in {own_losses} in place of `losses`, or take LBFGS or SelfScaledBroyden."
        )
    if not variant.has_fixed_losses:
        raise MisconfigurationException(
            f"`variant` must leave the losses alone within a step of `finish`, got {type(variant).__name__}, whose "
            "losses change from evaluation to evaluation. Leave one of the two out."
        )
    if balancer is not None and not isinstance(balancer, EqualWeights):
        rank_zero_warn(
            f"`balancer` {type(balancer).__name__} works on the steps before `finish`; {name} minimises the losses "
            "with their fixed `weights`."
        )


def check_finish_points(
    finisher: Finisher | None,
    network: nn.Module,
    residuals: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
    points: Mapping[str, Tensor],
    *,
    rows: int,
) -> None:
    """Check the size of a problem for a finisher, that its residuals work in its type, and that they do not change.

    Args:
        finisher: None to check nothing.
        network: Owns the parameters.
        residuals: From points to residuals, or losses, by term.
        points: By part, each (b, d).
        rows: Number of residual values of the run; 0 if it is not known.

    Raises:
        MisconfigurationException: If it is too large, or the residuals fail or change.
    """
    if finisher is None:
        return
    try:
        finisher.check_size(rows, sum(p.numel() for p in network.parameters() if p.requires_grad))
    except ValueError as error:
        raise MisconfigurationException(str(error)) from error
    one, other = _two_evaluations(finisher, network, residuals, points)
    changed = [term for term, values in one.items() if not torch.equal(values, other[term])]
    if changed:
        raise MisconfigurationException(
            f"The residuals must be the same in every evaluation with `finish`, got others of {changed} the second "
            "time. Take dropout and random numbers out of network and residuals."
        )


def _two_evaluations(
    finisher: Finisher,
    network: nn.Module,
    residuals: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
    points: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The residuals twice, as the finisher sees them: they worked before in the type of the run."""
    params, dtype = [p for p in network.parameters() if p.requires_grad], finisher.torch_dtype
    weights = torch.cat([p.detach().flatten() for p in params]).to(dtype)
    try:
        with torch.enable_grad(), in_dtype(network, params, weights):
            converted = {part: converted_to(x, dtype) for part, x in points.items()}
            return _detached(residuals(converted)), _detached(residuals(converted))
    except RuntimeError as error:
        raise MisconfigurationException(
            f"The residuals must work in {finisher.dtype} with `finish`, which computes in it; they failed with: "
            f"{error} Give tensors of your own the type of the points, `.to(x)`, or register them as buffers; or write "
            f"`dtype: float32` of {type(finisher).__name__}, or `--trainer.precision 64-true`."
        ) from error


def _detached(values: Mapping[str, Any]) -> dict[str, Tensor]:
    return {term: value.detach() for term, value in values.items()}
