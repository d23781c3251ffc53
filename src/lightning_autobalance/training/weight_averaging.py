"""Averages of weights (EMA, SWA) are of the network: the state of balancer and variant is not averaged."""

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging


class AverageNetworkOnly(Callback):
    """Gives the averaged model the balancer and the variant of the trained one.

    A mean of their buffers has no meaning, and buffers that grow in the first step have another shape in the copy,
    which Lightning makes before it.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Share them, after a checkpoint has been loaded."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging) and callback._average_model is not None:
                average = callback._average_model.module
                average.balancer, average.variant = pl_module.balancer, pl_module.variant
