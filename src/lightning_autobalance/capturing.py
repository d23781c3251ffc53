"""What stands in the way of capturing a module's training steps."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, LightningModule
from torch import Tensor
from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizer

from lightning_autobalance.optim import PostCombine
from lightning_autobalance.recordings import RECORDINGS
from lightning_autobalance.utils.distributed import world_size

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

PRECISIONS = ("32-true", "64-true")


def obstacle(module: "PINNModule", optimizer: Optimizer, points: Mapping[str, Any]) -> str:
    """Why a module's steps cannot be captured, or nothing.

    Args:
        module: Is trained.
        optimizer: Its optimizer.
        points: What a step gets.
    """
    device, precision, balancer = module.device.type, module.trainer.precision, module.balancer
    found = {
        f"it needs a device of type {', '.join(RECORDINGS)}, got {device}": device not in RECORDINGS,
        f"it needs one process, got {world_size()}": world_size() > 1,
        f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}": precision not in PRECISIONS,
        "`skip_non_finite` must be 0, since single steps cannot be left out": module.guard.limit > 0,
        "a batch must hold tensors only": not all(isinstance(x, Tensor) for x in points.values()),
        f"the variant {type(module.variant).__name__} decides in Python": not module.variant.capturable,
        f"{type(balancer).__name__} decides in Python": balancer is not None and not balancer.capturable,
        f"steps of {type(optimizer).__name__} cannot be captured": not _can_be_captured(optimizer),
    }
    if listener := _listener(module, optimizer):
        found[f"{listener} wants to act in every step"] = True
    return next((reason for reason, holds in found.items() if holds), "")


def _can_be_captured(optimizer: Optimizer) -> bool:
    own = not isinstance(optimizer, PostCombine) or optimizer.capturable
    return own and all("capturable" in group for group in optimizer.param_groups)


def hooks_of(optimizer: Optimizer) -> list[Callable[..., Any]]:
    """Whatever is called in every step of an optimizer.

    Args:
        optimizer: Of torch, or post-combine.
    """
    return [
        *optimizer._optimizer_step_pre_hooks.values(),
        *optimizer._optimizer_step_post_hooks.values(),
        *torch_optimizer._global_optimizer_pre_hooks.values(),
        *torch_optimizer._global_optimizer_post_hooks.values(),
        *getattr(optimizer, "_update_hooks", {}).values(),
    ]


def _listener(module: "PINNModule", optimizer: Optimizer) -> str:
    if not all(getattr(hook, "on_logged_steps_only", False) for hook in hooks_of(optimizer)):
        return f"a hook of {type(optimizer).__name__}"
    if not _is(module.on_before_optimizer_step, LightningModule.on_before_optimizer_step):
        return "`on_before_optimizer_step` of the module"
    for callback in module.trainer.callbacks:  # type: ignore[attr-defined]
        acts = not _is(callback.on_before_optimizer_step, Callback.on_before_optimizer_step)
        if acts and not getattr(callback, "on_logged_steps_only", False):
            return type(callback).__name__
    return ""


def _is(method: Callable[..., Any], function: Callable[..., Any]) -> bool:
    return getattr(method, "__func__", None) is function
