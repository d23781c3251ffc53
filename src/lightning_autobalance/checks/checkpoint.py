"""Checkpoints that a module cannot go on from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule


def check_checkpoint(module: "PINNModule", checkpoint: Mapping[str, Any], key: str) -> None:
    """Refuse a checkpoint that this module cannot go on from.

    Args:
        module: Is about to load.
        checkpoint: What Lightning has read.
        key: Where ``PINNModule.on_save_checkpoint`` writes; what an override without ``super()`` leaves out is not
            checked.

    Raises:
        MisconfigurationException: If it belongs to another problem, another variant or other terms.
    """
    name, found = type(module).__qualname__, checkpoint.get(key)
    if found is None:
        if checkpoint.get("state_dict", {}).keys() != module.state_dict().keys():
            raise MisconfigurationException(
                f"The checkpoint must come from a `PINNModule`, this one does not ({name})."
            )
        return
    if found["problem"] != name:
        raise MisconfigurationException(
            f"The checkpoint must come from `{name}`, got one of `{found['problem']}`. Load it with "
            f"`{found['problem']}`, or start without `ckpt_path`."
        )
    variant = type(module.variant).__name__
    if found.get("variant", variant) != variant:
        raise MisconfigurationException(
            f"`variant` must be as in the checkpoint, {found['variant']}, got {variant}: the state of one cannot serve "
            "another. Name that one, or start without `ckpt_path`."
        )
    if module.terms and found["terms"] and list(module.terms) != list(found["terms"]):
        raise MisconfigurationException(
            f"The checkpoint must hold the loss terms {list(module.terms)}, got {found['terms']}: the moments of one "
            "term cannot serve another. Use the residuals it was trained with, or start without `ckpt_path`."
        )
