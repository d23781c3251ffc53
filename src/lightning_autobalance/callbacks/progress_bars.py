"""Progress bars that show the loss terms, with no need for `self.log` in the training step."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar, TQDMProgressBar


class _LossesInMetrics(ProgressBar):
    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        latest: dict[str, float] = getattr(pl_module, "latest", {})
        losses = {name: f"{value:.2e}" for name, value in latest.items() if name.startswith("loss/")}
        return {**losses, **super().get_metrics(trainer, pl_module)}


class LossProgressBar(_LossesInMetrics, TQDMProgressBar):
    """Lightning's tqdm progress bar, with the losses of the latest logged step next to the validation errors.

    Args:
        refresh_rate: Number of batches between two updates of the bar.
        process_position: Line offset of the bar in the terminal, for several bars.
        leave: Keep the bar of each epoch on the screen.
    """

    def __init__(self, refresh_rate: int = 20, process_position: int = 0, leave: bool = False) -> None:
        super().__init__(refresh_rate=refresh_rate, process_position=process_position, leave=leave)


class RichLossProgressBar(_LossesInMetrics, RichProgressBar):
    """Lightning's rich progress bar, with the losses of the latest logged step next to the validation errors.

    Args:
        refresh_rate: Number of batches between two updates of the bar.
        leave: Keep the bar of each epoch on the screen.
    """

    def __init__(self, refresh_rate: int = 20, leave: bool = False) -> None:
        super().__init__(refresh_rate=refresh_rate, leave=leave)
