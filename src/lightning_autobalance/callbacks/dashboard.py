"""TensorBoard pages of a run: charts of all terms, and hyperparameters with the final errors."""

import math
import time
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from lightning_autobalance.training.due_steps import next_logged_step
from lightning_autobalance.variants import MeanSquares

IDEAL = "balance/ideal_ratio"
RATIOS = "norm ratios of the {} (ideal: 1)"
# Regular expressions, so that the layout is the same for every PDE: TensorBoard duplicates charts of differing layouts.
LAYOUT = {
    "balance": {
        RATIOS.format("gradients"): ["Multiline", [r"balance/grad_ratio/.*$", IDEAL + "$"]],
        RATIOS.format("updates"): ["Multiline", [r"balance/update_ratio/.*$", IDEAL + "$"]],
        "cosines of the gradients": ["Multiline", [r"balance/grad_cos/.*$"]],
        "cosines of the updates": ["Multiline", [r"balance/update_cos/.*$"]],
        "what is left of the updates": ["Multiline", [r"balance/(surviving_descent|cancelled_share)$"]],
        "norms of the gradients": ["Multiline", [r"balance/grad_norm/.*$"]],
        "norms of the updates": ["Multiline", [r"balance/update_norm/.*$"]],
        "weights of the balancer": ["Multiline", [r"balance/weight/.*$"]],
    },
    "training": {
        "losses, powers of ten": ["Multiline", [r"log10/loss/.*$"]],
        "errors, powers of ten": ["Multiline", [r"log10/val/.*$"]],
        "losses": ["Multiline", [r"loss/.*$"]],
        "errors": ["Multiline", [r"val/(mse|linf|rel_l2|loss)$"]],
        "learning rate": ["Multiline", [r"lr$"]],
        "variant": ["Multiline", [r"variant/.*$"]],
    },
}


class Dashboard(Callback):
    """Lays out TensorBoard's custom scalars page, and logs hyperparameters with the final errors.

    The page has one chart each for the losses, norms, ratios and cosines of all terms: figure 2 of the AutoBalance
    paper, live. TensorBoard's axes are linear at first, on which a loss is soon zero to the eye: losses and errors
    are sent to it once more as decimal logarithms, ``log10/...``.

    At the end the errors ``final/mse``, ``final/linf`` and ``final/rel_l2`` (``final/loss`` without an exact
    solution), the losses ``final/loss/<term>`` and ``final/seconds`` are sent to every logger; TensorBoard shows them
    on its hparams page.
    """

    def __init__(self) -> None:
        self._every, self._began = 1, 0.0

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the layout and the hyperparameters."""
        known = getattr(pl_module, "has_exact", False) or getattr(pl_module, "reference", None) is not None
        names = [*(("mse", "linf", "rel_l2") if known else ("loss",)), "seconds"]
        names += [f"loss/{term}" for term in getattr(pl_module, "terms", ())]
        for logger in _tensorboard_loggers(trainer):
            logger.experiment.add_custom_scalars(_layout(pl_module))
            logger.experiment.add_scalar(IDEAL, 1.0, trainer.global_step)
            logger.log_hyperparams(
                hyperparameters(trainer, pl_module), {f"final/{name}": float("nan") for name in names}
            )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Start the clock."""
        self._every, self._began = trainer.log_every_n_steps, time.monotonic()  # type: ignore[attr-defined]

    def next_due_step(self, step: int) -> int | None:
        """The next logged step; None if no step is logged."""
        return next_logged_step(step, self._every)

    @rank_zero_only
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        """Write the logarithms of the losses of a logged step."""
        if getattr(pl_module, "logs_this_step", False):
            losses = _logarithms(getattr(pl_module, "latest", {}), "loss/")
            for logger in _tensorboard_loggers(trainer):
                logger.log_metrics(losses, trainer.global_step - 1)

    @rank_zero_only
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Extend the line of the ideal ratio to this step, and write the logarithms of the errors."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        for logger in _tensorboard_loggers(trainer):
            logger.log_metrics({IDEAL: 1.0} | _logarithms(trainer.callback_metrics, "val/"), trainer.global_step)

    @rank_zero_only
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the final errors, losses and the time."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        names = ("val/mse", "val/linf", "val/rel_l2", "val/loss")
        final = {f"final/{name.removeprefix('val/')}": metrics[name] for name in names if name in metrics}
        latest: dict[str, float] = getattr(pl_module, "latest", {})
        final |= {f"final/{name}": value for name, value in latest.items() if name.startswith("loss/")}
        final["final/seconds"] = time.monotonic() - self._began
        for logger in trainer.loggers:
            logger.log_metrics(final, step=trainer.global_step)


def hyperparameters(trainer: Trainer, module: LightningModule) -> dict[str, Any]:
    """The hyperparameters by which runs are compared, flat: problem, network, optimizer and its options, finish.

    Args:
        trainer: A trainer whose optimizers and data are set up.
        module: The module it trains.
    """
    optimizer = trainer.optimizers[0]
    flat: dict[str, Any] = {"problem": type(module).__name__, "optimizer": type(optimizer).__name__}
    flat["network"] = network_in_words(getattr(module, "net", None))
    flat["finish"] = type(getattr(module, "finish", None)).__name__.replace("NoneType", "none")
    options = optimizer.param_groups[0]
    names = ("lr", "betas", "momentum", "weight_decay", "combine")
    flat |= {f"optimizer/{name}": _hparam(options[name]) for name in names if name in options}
    flat["optimizer/lr"] = _hparam(options.get("initial_lr", options["lr"]))
    flat |= {f"scheduler/{i}": type(c.scheduler).__name__ for i, c in enumerate(trainer.lr_scheduler_configs)}
    for part in ("balancer", "variant"):
        flat[part] = type(getattr(module, part, None)).__name__.replace("NoneType", "none")
    flat |= {f"weights/{term}": weight for term, weight in getattr(module, "weights", {}).items()}
    data: Any = getattr(trainer, "datamodule", None)
    flat |= {f"points/{part}": count for part, count in getattr(data, "counts", {}).items()}
    if data is not None and hasattr(data, "sampler"):
        flat |= {"sampler": type(data.sampler).__name__, "resample_every": data.resample_every, "seed": data.seed}
    return flat | {"max_steps": trainer.max_steps, "precision": str(trainer.precision)}


def network_in_words(net: nn.Module | None) -> str:
    """Its class and the widths of its linear layers, such as "MLP 2-50-50-1".

    Args:
        net: The network.
    """
    if net is None:
        return "none"
    layers = [each for each in net.modules() if isinstance(each, nn.Linear)]
    widths = [layers[0].in_features, *(each.out_features for each in layers)] if layers else []
    return f"{type(net).__name__} {'-'.join(map(str, widths))}".rstrip()


def _logarithms(numbers: Mapping[str, Any], start: str) -> dict[str, float]:
    positive = {name: float(x) for name, x in numbers.items() if name.startswith(start) and 0 < float(x) < math.inf}
    return {f"log10/{name}": math.log10(x) for name, x in positive.items()}


def _layout(module: LightningModule) -> dict[str, Any]:
    present = {
        "weights of the balancer": getattr(module, "balancer", None) is not None,
        "variant": not isinstance(getattr(module, "variant", None), MeanSquares | None),
    }
    empty = {name for name, used in present.items() if not used}
    return {
        page: {name: chart for name, chart in charts.items() if name not in empty} for page, charts in LAYOUT.items()
    }


def _hparam(value: Any) -> Any:
    number = float(value) if hasattr(value, "item") else value
    return number if isinstance(number, int | float | str | bool) else str(number)


def _tensorboard_loggers(trainer: Trainer) -> list[TensorBoardLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
