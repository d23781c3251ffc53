"""Averages of weights (EMA, SWA) are of the network: the state of balancer and variant is not averaged."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging, WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_swa_avg_fn


class AverageNetworkOnly(Callback):
    """Gives the averaged model the balancer and the variant of the trained one.

    A mean of their buffers has no meaning, and buffers that grow in the first step have another shape in the copy,
    which Lightning makes before it. At the end of a run the average replaces the weights that were trained: checkpoints
    that are saved after that hold these, too, from which a resume goes on.
    """

    def __init__(self) -> None:
        self._trained: dict[str, Any] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Share them, after a checkpoint has been loaded."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging) and callback._average_model is not None:
                average = callback._average_model.module
                average.balancer, average.variant = pl_module.balancer, pl_module.variant
                leave_shared_out(callback._average_model)
                vars(callback)["_copy_average_to_current"] = partial(self._replace, callback)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let SWA go on within an epoch, where it otherwise takes up its schedule only at the start of the next."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            goes_on = isinstance(callback, StochasticWeightAveraging) and callback._scheduler_state is not None
            if goes_on and trainer.fit_loop.restarted_mid_epoch:
                callback.on_train_epoch_start(trainer, pl_module)

    def _replace(self, callback: WeightAveraging, pl_module: LightningModule) -> None:
        self._trained = deepcopy(dict(pl_module.state_dict()))
        type(callback)._copy_average_to_current(callback, pl_module)

    def on_save_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Save the weights that were trained."""
        if self._trained and "current_model_state" in checkpoint:
            checkpoint["current_model_state"] = dict(self._trained)


def leave_shared_out(average: AveragedModel) -> None:
    """Let an average leave tensors as they are that it shares with the model: a mean with itself adds its rounding.

    Args:
        average: Modified in place.
    """
    if average.multi_avg_fn is not None:
        average.multi_avg_fn = partial(_of_others, average.multi_avg_fn)
    else:
        average.avg_fn = partial(_of_other, average.avg_fn or get_swa_avg_fn())  # type: ignore[no-untyped-call]


def _of_other(mean: Callable[..., Tensor], averaged: Tensor, current: Tensor, count: Any) -> Tensor:
    return averaged if _is_same(averaged, current) else mean(averaged, current, count)


def _of_others(mean: Callable[..., None], averaged: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
    pairs = [(one, other) for one, other in zip(averaged, current, strict=True) if not _is_same(one, other)]
    if pairs:
        mean([one for one, _ in pairs], [other for _, other in pairs], count)


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr()
