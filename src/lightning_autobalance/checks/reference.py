"""A reference solution that can be read, and that is the one of the checkpoint."""

from collections.abc import Mapping
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_warn

from lightning_autobalance.points import Reference
from lightning_autobalance.training.record import describe_reference


def check_reference(reference: Reference) -> Reference:
    """Read a reference, unless that was done.

    Raises:
        MisconfigurationException: If its file is missing, or something is wrong with its columns or its points.
    """
    try:
        reference.table  # noqa: B018  it reads the file
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise MisconfigurationException(str(error)) from error
    return reference


def tell_of_another_reference(reference: Reference | None, saved: Mapping[str, Any]) -> None:
    """Say so if errors are not to be compared with those before a checkpoint; the training itself is the same.

    Args:
        reference: Of the module.
        saved: The record in the checkpoint; older ones do not mention a reference.
    """
    if "reference" not in saved or (reference is not None and not reference.is_read):
        return
    before, now = saved["reference"], describe_reference(reference)
    if before != now and (before is None or now is None or before["fingerprint"] != now["fingerprint"]):
        found = [f"{each['source']} ({each['fingerprint']})" if each else "none" for each in (before, now)]
        rank_zero_warn(
            f"`reference` is not that of the checkpoint, {found[0]}, but {found[1]}: errors before and after cannot be "
            "compared. The training goes on as it was."
        )
