"""State of a module in several processes: shared by all, or one row per point of each process."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from lightning_autobalance.utils.distributed import gather_rows, own_rows


def synchronise(module: LightningModule, trainer: Trainer | None) -> None:
    """Broadcast buffers and seeds from rank 0, and exclude the buffers from DDP's own broadcast.

    DDP would overwrite all buffers with those of rank 0 in every step, including those that belong to the points of a
    single process.

    Args:
        module: The module to be trained, modified in place.
        trainer: Its Trainer; None, or one of a single process, changes nothing.
    """
    if trainer is None or trainer.world_size == 1:
        return
    buffers = dict(module.named_buffers())
    vars(module)["_ddp_params_and_buffers_to_ignore"] = list(buffers)  # read by DDP
    strategy = trainer.strategy
    for name, value in strategy.broadcast({name: buffer.cpu() for name, buffer in buffers.items()}).items():
        buffers[name].data = value.to(buffers[name])
    for part in module.modules():
        if isinstance(getattr(part, "seed", None), int):
            part.seed = strategy.broadcast(part.seed)


def gather_per_point_state(variant: nn.Module, *states: dict[str, Any]) -> None:
    """Gather the state per point of all processes before a checkpoint is saved.

    Args:
        variant: Lists its buffers with one entry per point in ``per_point``.
        states: Of the module that owns the variant, one or with that of an average; modified in place.
    """
    for state in states:
        for key, axis in _per_point(variant, state):
            state[key] = gather_rows(state[key], axis)


def keep_own_per_point_state(variant: nn.Module, *states: dict[str, Any]) -> None:
    """Select the state of this process's points before a checkpoint is loaded.

    Args:
        variant: Lists its buffers with one entry per point in ``per_point``.
        states: Of the module that owns the variant, one or with that of an average; modified in place.
    """
    for state in states:
        for key, axis in _per_point(variant, state):
            state[key] = own_rows(state[key], axis)


def _per_point(variant: nn.Module, state: dict[str, Any]) -> list[tuple[str, int]]:
    found = []
    for prefix, part in variant.named_modules(prefix="variant"):
        for name, axis in getattr(part, "per_point", {}).items():
            key = f"{prefix}.{name}"
            value = state.get(key)
            if isinstance(value, Tensor) and value.dim() > axis and value.numel():
                found.append((key, axis))
    return found
