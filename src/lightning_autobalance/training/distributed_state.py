"""State of a module in several processes: what all share, and what each keeps for its own points."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from lightning_autobalance.utils.distributed import gather_rows, own_rows


def synchronise(module: LightningModule, trainer: Trainer | None) -> None:
    """Give every process the first one's buffers and seeds; tell DDP to leave the buffers alone from then on.

    DDP would overwrite all buffers with the first process's in every step, those that belong to a process's own points
    too.

    Args:
        module: Is about to be trained.
        trainer: Trains it; None outside one.
    """
    if trainer is None or trainer.world_size == 1:
        return
    buffers = dict(module.named_buffers())
    vars(module)["_ddp_params_and_buffers_to_ignore"] = list(buffers)  # DDP reads it
    strategy = trainer.strategy
    for name, value in strategy.broadcast({name: buffer.cpu() for name, buffer in buffers.items()}).items():
        buffers[name].data = value.to(buffers[name])
    for part in module.modules():
        if isinstance(getattr(part, "seed", None), int):
            part.seed = strategy.broadcast(part.seed)


def gather_per_point_state(variant: nn.Module, state: dict[str, Any]) -> None:
    """Put what belongs to the points of all processes into a state that is about to be saved.

    Args:
        variant: Names its buffers with one entry per point in ``per_point``.
        state: Of the whole module, changed in place.
    """
    for key, axis in _per_point(variant, state):
        state[key] = gather_rows(state[key], axis)


def keep_own_per_point_state(variant: nn.Module, state: dict[str, Any]) -> None:
    """Leave in a state that is about to be loaded what belongs to the points of this process.

    Args:
        variant: Names its buffers with one entry per point in ``per_point``.
        state: Of the whole module, changed in place.
    """
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
