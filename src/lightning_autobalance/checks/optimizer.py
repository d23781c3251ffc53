"""The optimizer, and its combination with a balancer."""

from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn
from torch.optim import Optimizer

from lightning_autobalance.balancing import Aggregator, Balancer
from lightning_autobalance.optim import PostCombine


def check_optimizer_argument(optimizer: Any) -> None:
    """Check that the argument ``optimizer`` of a module is a factory: parameters to optimizer.

    Raises:
        TypeError: If it is an optimizer object, a name, or otherwise not callable.
    """
    if isinstance(optimizer, Optimizer) or not callable(optimizer):
        found = f"the name {optimizer!r}" if isinstance(optimizer, str) else f"a {type(optimizer).__name__} object"
        raise TypeError(
            f"`optimizer` must make an optimizer from parameters, got {found}. Give the class, or "
            "`functools.partial(AutoAdamW, lr=1e-2)`."
        )


def check_parameters(module: nn.Module) -> None:
    """Refuse trainable parameters that are not of real floating-point type.

    Raises:
        MisconfigurationException: If one is complex.
    """
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and not parameter.is_floating_point():
            raise MisconfigurationException(
                f"`{name}` of {type(module).__name__} must be a real floating-point parameter, got {parameter.dtype}. "
                "Train its real and its imaginary part as two parameters."
            )


def check_combination(optimizer: Optimizer, balancer: Balancer | None, terms: tuple[str, ...] = ()) -> None:
    """Check that optimizer, balancer and loss terms fit together; warn of a weighting that has little effect.

    Args:
        optimizer: Any optimizer; those that need a closure are refused.
        balancer: The balancer in front of it; an aggregator is refused in front of a post-combine optimizer.
        terms: Names of the loss terms; empty if not known yet.

    Raises:
        MisconfigurationException: If they do not fit together.
    """
    name = type(optimizer).__name__
    if isinstance(optimizer, torch.optim.LBFGS):
        raise MisconfigurationException(
            "`optimizer` must step once per evaluation of the losses, got LBFGS, which evaluates them many times. "
            "Use AutoAdamW or another first-order optimizer here, and LBFGS as `finish` for the last steps."
        )
    if not isinstance(optimizer, PostCombine):
        return
    for group in optimizer.param_groups:
        combine = group["combine"]
        if terms and not isinstance(combine, str) and len(combine) != len(terms):
            raise MisconfigurationException(
                f"`combine` must hold one weight per loss term, {len(terms)} for {list(terms)}, got {list(combine)}."
            )
    if isinstance(balancer, Aggregator):
        raise MisconfigurationException(
            f"`balancer` must be left out with {name}, got {type(balancer).__name__}: an aggregator makes one gradient "
            f"of all terms before the optimizer (pre-combine), {name} needs each term's own (post-combine). Drop one "
            "of the two, or use torch.optim.AdamW with the balancer."
        )
    if balancer is not None:
        rank_zero_warn(
            f"`balancer` {type(balancer).__name__} changes little with {name}: the weight of a loss cancels in an Adam "
            "state of its own, up to `eps`. Use torch.optim.AdamW to see what the weighting does."
        )
