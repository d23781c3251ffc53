"""A module as a whole: its network, its terms, and the names it uses."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from lightning_autobalance import variation
from lightning_autobalance.checks.exact import check_exact
from lightning_autobalance.checks.residuals import few_points, residuals_of

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

KINKED = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ReLU6, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid)


def check_module(module: "PINNModule") -> None:
    """Evaluate the network, the residuals and, where it is known, the exact solution on a few points.

    Args:
        module: Is about to be trained.

    Raises:
        MisconfigurationException: If anything has a wrong shape, is not finite, or names what is not there.
    """
    data = getattr(module.trainer, "datamodule", None) if module._trainer is not None else None
    counts = getattr(data, "counts", None)
    if data is not None and counts is None:
        return  # somebody's own data module: its batches are checked at the first step
    points = few_points(module, counts)
    own = {part: x.to(module.device, module.points_dtype) for part, x in points.items()}
    _check_net(module, next(iter(own.values())))
    module.terms = _terms(module, own)
    for name in ("weights", "measured"):
        _check_names(module, name)
    if module.has_exact:
        _check_exact_shape(module, next(iter(own.values())))
        if module.check_exact:
            check_exact(module, points)


def _terms(module: "PINNModule", points: dict[str, Tensor]) -> tuple[str, ...]:
    if module.has_own_losses:
        variation.prepare(module, points)
        with torch.enable_grad():
            return tuple(module.losses(points))
    residuals = residuals_of(module, points)
    for term, residual in residuals.items():
        if not residual.requires_grad:
            raise MisconfigurationException(
                f"The residual of `{term}` of {type(module).__name__} must depend on the network, got one that does "
                "not. Ask for the solution through `self(x)` and `self.partials`, and do not detach it."
            )
    terms = variation.prepare(module, points) or tuple(residuals)
    if variation.has_points(module.variant):
        return terms  # of a run before: weights that belong to its points
    try:
        with torch.enable_grad():
            return tuple(variation.losses(module, points))
    except ValueError as error:
        raise MisconfigurationException(
            f"`variant` {type(module.variant).__name__} cannot work with {type(module).__name__}: {error}"
        ) from error


def _check_net(module: "PINNModule", x: Tensor) -> None:
    names = ", ".join(module.domain.coordinates)
    try:
        with torch.no_grad():
            fields = module(x)
    except RuntimeError as error:
        raise MisconfigurationException(
            f"`net` must take {x.shape[1]} inputs, the coordinates ({names}) of the domain; on points of shape "
            f"{tuple(x.shape)} it failed with: {error}"
        ) from error
    if fields.shape != (len(x), len(module.fields)):
        raise MisconfigurationException(
            f"`net` must give {len(module.fields)} field(s) {module.fields}, shape {(len(x), len(module.fields))}, got "
            f"shape {tuple(fields.shape)}. Change the network's `out_features` or the class attribute `fields`."
        )
    kinked = [type(layer).__name__ for layer in module.net.modules() if isinstance(layer, KINKED)]
    if kinked:
        rank_zero_warn(
            f"`net` should be smooth, got {kinked[0]}: its second derivatives are zero, so that a residual with u_xx "
            "does not see the network. Use tanh, sin, silu, gelu or softplus."
        )


def _check_exact_shape(module: "PINNModule", x: Tensor) -> None:
    fields, wanted = module.exact(x), (len(x), len(module.fields))
    if fields.shape != wanted:
        raise MisconfigurationException(
            f"`exact` of {type(module).__name__} must give {len(module.fields)} field(s) {module.fields}, shape "
            f"{wanted} for {len(x)} points, got shape {tuple(fields.shape)}. Take columns as `x[:, :1]`."
        )


def _check_names(module: "PINNModule", attribute: str) -> None:
    for term in getattr(module, attribute):
        if term not in module.terms:
            close = get_close_matches(term, module.terms, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise MisconfigurationException(
                f"`{attribute}` must name loss terms of {type(module).__name__}, {list(module.terms)}, got {term!r}."
                f"{hint}"
            )
