"""Checkpoints that a module cannot go on from."""

from collections.abc import Collection, Mapping
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException


def check_checkpoint(
    checkpoint: Mapping[str, Any],
    key: str,
    *,
    problem: str,
    variant: str,
    terms: Collection[str],
    state_names: Collection[str],
) -> None:
    """Refuse a checkpoint that a module cannot go on from.

    Args:
        checkpoint: What Lightning has read.
        key: Where ``PINNModule.on_save_checkpoint`` writes; what an override without ``super()`` leaves out is not
            checked.
        problem: Qualified name of the module's class.
        variant: Name of its variant's class.
        terms: Names of its loss terms; empty where they are not known yet.
        state_names: Names of its parameters and buffers.

    Raises:
        MisconfigurationException: If it belongs to another problem, another variant or other terms.
    """
    found = checkpoint.get(key)
    if found is None:
        if set(checkpoint.get("state_dict", {})) != set(state_names):
            raise MisconfigurationException(
                f"The checkpoint must come from a `PINNModule`, this one does not ({problem})."
            )
        return
    if found["problem"] != problem:
        raise MisconfigurationException(
            f"The checkpoint must come from `{problem}`, got one of `{found['problem']}`. Load it with "
            f"`{found['problem']}`, or start without `ckpt_path`."
        )
    if found.get("variant", variant) != variant:
        raise MisconfigurationException(
            f"`variant` must be as in the checkpoint, {found['variant']}, got {variant}: the state of one cannot serve "
            "another. Name that one, or start without `ckpt_path`."
        )
    if terms and found["terms"] and list(terms) != list(found["terms"]):
        raise MisconfigurationException(
            f"The checkpoint must hold the loss terms {list(terms)}, got {found['terms']}: the moments of one "
            "term cannot serve another. Use the residuals it was trained with, or start without `ckpt_path`."
        )
