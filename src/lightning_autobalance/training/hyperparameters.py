"""Constructor arguments that a checkpoint can store."""

from collections.abc import Mapping
from typing import Any


def is_plain(value: Any) -> bool:
    """Whether a value can be loaded with ``weights_only=True``: numbers, strings, lists and mappings of them."""
    if isinstance(value, Mapping):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


def under_cli() -> bool:
    """Whether LightningCLI is creating the module, and provides the parsed configuration as hyperparameters."""
    from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters

    return _given_hyperparameters.get() is not None
