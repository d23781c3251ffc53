"""Compatibility of a checkpoint with the module that loads it."""

from collections.abc import Collection, Mapping
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_autobalance.checks.reference import tell_of_another_reference
from lightning_autobalance.training.record import CHECKPOINT_KEY
from lightning_autobalance.training.resume import check_has_optimizer, check_record


def check_checkpoint(
    checkpoint: Mapping[str, Any],
    key: str,
    *,
    problem: str,
    variant: str,
    terms: Collection[str],
    state_names: Collection[str],
) -> None:
    """Check that a module can resume from a checkpoint.

    Args:
        checkpoint: The checkpoint as loaded by Lightning.
        key: Its entry written by ``PINNModule.on_save_checkpoint``. If a subclass overrides that hook without
            ``super()``, the entry is missing and only the names of the states are compared.
        problem: Qualified name of the module's class.
        variant: Name of the class of the module's variant.
        terms: Names of the module's loss terms; empty if not known yet.
        state_names: Names of the module's parameters and buffers.

    Raises:
        MisconfigurationException: If the checkpoint belongs to another problem, variant or set of loss terms.
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
    check_terms_of_checkpoint(terms, found["terms"])


def check_terms_of_checkpoint(terms: Collection[str], found: Collection[str]) -> None:
    """Compare the module's loss terms with those of a checkpoint, where both are known.

    Raises:
        MisconfigurationException: If they differ.
    """
    if terms and found and list(terms) != list(found):
        raise MisconfigurationException(
            f"The checkpoint must hold the loss terms {list(terms)}, got {list(found)}: the moments of one "
            "term cannot serve another. Use the residuals it was trained with, or start without `ckpt_path`."
        )


def check_loaded(module: Any, checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check that a checkpoint may be loaded into a module; returns what the module has saved in it.

    Args:
        module: A `PINNModule`, with or without a Trainer.
        checkpoint: As loaded by Lightning.

    Raises:
        MisconfigurationException: If it is one of another problem, or of other parts, or has no state of an optimizer
            where training is to go on.
    """
    check_checkpoint(
        checkpoint,
        CHECKPOINT_KEY,
        problem=type(module).__qualname__,
        variant=type(module.variant).__name__,
        terms=module.terms,
        state_names=module.state_dict().keys(),
    )
    check_has_optimizer(checkpoint, module._trainer, type(module).__name__)
    own: Mapping[str, Any] = checkpoint.get(CHECKPOINT_KEY, {})
    check_record(module, own.get("record", {}), checkpoint["state_dict"])
    if module._trainer is not None:
        tell_of_another_reference(module.reference, own.get("record", {}))
    return own
