"""The same module in several processes: what all share, and what each keeps for its own points."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from lightning_autobalance.utils.distributed import gather_rows, own_rows
from lightning_autobalance.variants import Variant

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule


def synchronise(module: "PINNModule") -> None:
    """Give every process the first one's buffers and seeds; tell DDP to leave the buffers alone from then on.

    DDP would overwrite all buffers with the first process's in every step, those that belong to a process's own points
    too.

    Args:
        module: Is about to be trained.
    """
    if module._trainer is None or module.trainer.world_size == 1:
        return
    buffers = dict(module.named_buffers())
    vars(module)["_ddp_params_and_buffers_to_ignore"] = list(buffers)  # DDP reads it
    strategy = module.trainer.strategy
    for name, value in strategy.broadcast({name: buffer.cpu() for name, buffer in buffers.items()}).items():
        buffers[name].data = value.to(buffers[name])
    for part in module.modules():
        if isinstance(getattr(part, "seed", None), int):
            part.seed = strategy.broadcast(part.seed)


def gather_state(variant: Variant, state: dict[str, Any]) -> None:
    """Put what belongs to the points of all processes into a state that is about to be saved.

    Args:
        variant: Whose state.
        state: Of the whole module, changed in place.
    """
    for key, axis in _per_point(variant, state):
        state[key] = gather_rows(state[key], axis)


def spread_state(variant: Variant, state: dict[str, Any]) -> None:
    """Leave in a state that is about to be loaded what belongs to the points of this process.

    Args:
        variant: Whose state.
        state: Of the whole module, changed in place.
    """
    for key, axis in _per_point(variant, state):
        state[key] = own_rows(state[key], axis)


def _per_point(variant: Variant, state: dict[str, Any]) -> list[tuple[str, int]]:
    found = []
    for prefix, part in variant.named_modules(prefix="variant"):
        for name, axis in getattr(part, "per_point", {}).items():
            key = f"{prefix}.{name}"
            value = state.get(key)
            if isinstance(value, Tensor) and value.dim() > axis and value.numel():
                found.append((key, axis))
    return found
