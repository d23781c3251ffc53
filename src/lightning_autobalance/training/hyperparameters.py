"""Constructor arguments that a checkpoint can store."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule

from lightning_autobalance.utils.plain import plain

PARTS = ("net", "balancer", "variant", "finish")  # whose states are in the checkpoint


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


def save_plain_hyperparameters(module: LightningModule) -> tuple[str, ...]:
    """Keep the plain arguments of a module as its hyperparameters; called in its constructor.

    Objects would be pickled into the checkpoint, which could then not be loaded with ``weights_only=True``. Under the
    CLI the values are those of the parsed configuration, which are plain.

    Returns:
        Names of the other arguments, ``PARTS`` excluded.
    """
    module.save_hyperparameters(ignore=list(PARTS) if not under_cli() else None, logger=True)
    found = _plain_ones(module.hparams)
    others = tuple(name for name in module.hparams if name not in found)
    for name in others:
        del module.hparams[name]
    module.hparams.update(found)
    module._hparams_initial = dict(module.hparams)  # type: ignore[assignment]
    return others


def drop_objects(checkpoint: dict[str, Any]) -> None:
    """Remove the hyperparameters that are not plain, which a subclass has added by ``save_hyperparameters()``.

    Args:
        checkpoint: Modified in place; the module's own hyperparameters stay.
    """
    key = LightningModule.CHECKPOINT_HYPER_PARAMS_KEY
    if key in checkpoint:
        checkpoint[key] = _plain_ones(checkpoint[key])


def _plain_ones(values: Mapping[str, Any]) -> dict[str, Any]:
    converted = {name: plain(value) for name, value in values.items()}
    return {name: value for name, value in converted.items() if is_plain(value)}
