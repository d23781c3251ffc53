"""Trainer settings that manual optimization cannot honour."""

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import BatchSizeFinder
from lightning.pytorch.plugins import HalfPrecision, MixedPrecision
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_warn
from lightning.pytorch.utilities.parsing import lightning_hasattr


def check_trainer(trainer: Trainer) -> None:
    """Refuse Trainer settings that manual optimization cannot honour; warn of low precision.

    Raises:
        MisconfigurationException: If the Trainer clips, accumulates, shards, or uses half precision.
    """
    if trainer.gradient_clip_val:
        raise MisconfigurationException(
            f"`gradient_clip_val` must not be given to the Trainer, got {trainer.gradient_clip_val}: it would clip the "
            "sum of the terms' gradients. Give it to the module (`--model.gradient_clip_val`): each term is clipped."
        )
    if trainer.accumulate_grad_batches != 1:
        raise MisconfigurationException(
            f"`accumulate_grad_batches` must be 1, got {trainer.accumulate_grad_batches}: every step uses all points. "
            "Ask for more points (`--data.points`) instead."
        )
    shards = isinstance(trainer.strategy, DeepSpeedStrategy)  # although a subclass of DDPStrategy
    if shards or not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
        raise MisconfigurationException(
            f"`strategy` must be a single device or ddp, got {type(trainer.strategy).__name__}: it spreads parameters "
            "over processes, and an optimizer state per loss term needs whole ones. A PINN is small: spread its points "
            "with `--trainer.strategy ddp`."
        )
    _check_precision(trainer)
    _check_batch_size_finder(trainer)


def _check_batch_size_finder(trainer: Trainer) -> None:
    for finder in trainer.callbacks:  # type: ignore[attr-defined]
        name = getattr(finder, "_batch_arg_name", "")
        if isinstance(finder, BatchSizeFinder) and not lightning_hasattr(trainer.lightning_module, name):
            raise MisconfigurationException(
                f"`BatchSizeFinder` must have data with the attribute `{name}`, got {_data_of(trainer)} without one: "
                "every step uses all points. Leave it out, and give the numbers of points (`--data.points`)."
            )


def _data_of(trainer: Trainer) -> str:
    data = getattr(trainer, "datamodule", None)
    return "a loader" if data is None else type(data).__name__


def _check_precision(trainer: Trainer) -> None:
    plugin = trainer.precision_plugin
    if plugin.precision == "16-mixed" or getattr(plugin, "scaler", None) is not None:
        raise MisconfigurationException(
            "`precision` must be 32-true, 64-true or bf16-mixed, got 16-mixed: its loss scaling knows only one summed "
            "gradient, and second derivatives overflow float16. Use 32-true, or bf16-mixed where speed matters more."
        )
    if isinstance(plugin, HalfPrecision):
        raise MisconfigurationException(
            f"`precision` must be 32-true, 64-true or bf16-mixed, got {plugin.precision}: weights of half precision "
            "cannot hold a PINN's small updates. Use 32-true."
        )
    if isinstance(plugin, MixedPrecision):
        rank_zero_warn(
            f"precision {plugin.precision} rounds the network's layers to 3 digits: residuals below about 1e-2 of "
            "their scale are noise. Use 32-true for accurate solutions."
        )
