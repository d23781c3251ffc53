"""States of optimizers are checked before they are loaded: a fused kernel would write beyond a tensor too small."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

REMEDY = "Take another checkpoint, or start from the weights alone."
ADAM = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf")
OTHERS = ("momentum_buffer", "square_avg", "grad_avg", "acc_delta", "sum", "prev", "ax")
ELEMENTWISE = frozenset((*ADAM, *OTHERS))  # states of torch's optimizers in the shape of their parameter

ShapeOf: TypeAlias = Callable[[str, Tensor, Mapping[str, Any]], tuple[int, ...] | None]
"""From the name of a state, its parameter and the saved parameter group to the shape; None for any."""


def check_state(
    state_dict: Mapping[str, Any],
    param_groups: Sequence[Mapping[str, Any]],
    shape_of: ShapeOf,
    names: Mapping[Tensor, str] | None = None,
) -> None:
    """Check shape, type and finiteness of every state tensor against the parameters that it is loaded for.

    Args:
        state_dict: Of an optimizer.
        param_groups: Those of the optimizer that is to load it. Other numbers of parameters are left to torch.
        shape_of: The shape that a state must have.
        names: Names of the parameters, for the error.

    Raises:
        ValueError: If a state does not fit; names it and its parameter.
    """
    for saved, group in zip(state_dict["param_groups"], param_groups, strict=False):
        for index, p in zip(saved["params"], group["params"], strict=False):
            where = (names or {}).get(p, f"parameter {index}")
            for name, value in state_dict["state"].get(index, {}).items():
                if isinstance(value, Tensor):
                    _check_tensor(f"`{name}` of {where} in the optimizer's state", value, shape_of(name, p, saved))


def shapes_of(kind: type[Optimizer]) -> ShapeOf:
    """The shapes of the states of an ordinary optimizer, as far as they are known."""
    return _in_torch if kind.__module__.startswith("torch.optim") else lambda *_: None


def _in_torch(name: str, p: Tensor, saved: Mapping[str, Any]) -> tuple[int, ...] | None:  # noqa: ARG001
    return tuple(p.shape) if name in ELEMENTWISE else () if name == "step" else None


def _check_tensor(label: str, value: Tensor, shape: tuple[int, ...] | None) -> None:
    if shape is not None and tuple(value.shape) != shape and not (shape == () and value.numel() == 1):
        raise ValueError(f"{label} must have the shape {shape}, got {tuple(value.shape)}. {REMEDY}")
    if shape is not None and not value.is_floating_point():
        raise ValueError(f"{label} must be of real floating-point type, got {value.dtype}. {REMEDY}")
    if value.is_floating_point() and not value.isfinite().all():
        count = int((~torch.isfinite(value)).sum())
        raise ValueError(
            f"{label} must be finite, got {count} of {value.numel()} numbers that are not: the checkpoint is spoiled, "
            f"whatever the learning rate. {REMEDY}"
        )
