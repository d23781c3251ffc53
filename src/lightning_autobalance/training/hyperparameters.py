"""Which arguments of a module a checkpoint keeps."""

from collections.abc import Mapping
from typing import Any


def is_plain(value: Any) -> bool:
    """Whether a value loads again with torch's ``weights_only=True``: numbers, texts, and lists and mappings of such.

    Args:
        value: An argument.
    """
    if isinstance(value, Mapping):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


def under_cli() -> bool:
    """Whether Lightning's command line is about to hand over the parsed configuration as hyperparameters."""
    from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters

    return _given_hyperparameters.get() is not None
