"""A module that loads a checkpoint must be the one that was saved, or the difference is refused by name."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging, WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.swa_utils import SWALR

from lightning_autobalance import optim
from lightning_autobalance.balancing import EqualWeights
from lightning_autobalance.optim import PostCombine
from lightning_autobalance.optim.loaded_state import check_state, shapes_of
from lightning_autobalance.training.record import (
    CHECKPOINT_KEY,
    Entry,
    describe_optimizer,
    describe_scheduler,
    difference,
    make_record,
    objects_given,
    optimized,
    remake,
)

NAME_IT = "Name that one, or start a new run from the weights alone."


def check_record(module: Any, saved: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Compare a module with the record in a checkpoint, before its weights are loaded.

    Args:
        module: A `PINNModule`; without a Trainer, it is being made by ``load_from_checkpoint``.
        saved: From `make_record`; older checkpoints have none, or not all of its entries.
        state: The states of the checkpoint, by name.

    Raises:
        MisconfigurationException: If net, domain, variant or balancer differ, or an argument is missing.
    """
    mine = make_record(module, None)
    alone = module._trainer is None
    for label in ("net", "variant", "domain", "balancer"):
        if label not in saved:
            continue
        one, other = saved[label], mine[label]
        if label == "domain":
            one, other = {"": one}, {"": other}
        if label == "balancer":
            one, other = _without_sum(one), _without_sum(other)
            if not alone and not any(name.startswith("balancer.") for name in (*state, *module.state_dict())):
                continue  # without a state, another one may go on
        found = difference(one, other, label, arguments=label in ("net", "domain"))
        if found is not None:
            remedy = f"Pass the one that was trained, `load_from_checkpoint(path, {label}=...)`." if alone else NAME_IT
            name, there, here = found
            raise MisconfigurationException(
                f"`{name}` must be as in the checkpoint, {there}, got {here}. "
                f"{'Change the class back.' if label == 'domain' else remedy}"
            )
    if alone:
        for name in saved.get("objects", ()):
            _check_given(module, name)


def restore_optimizer(module: Any, saved: Mapping[str, Any]) -> None:
    """Let a module from ``load_from_checkpoint`` train as the saved one did, unless it was given an optimizer.

    Where that cannot be done from plain values, training it is refused.

    Args:
        module: A `PINNModule` without a Trainer.
        saved: The record of the checkpoint.
    """
    optimizers: Sequence[Entry] = saved.get("optimizers", [])
    schedulers: Sequence[str] = saved.get("schedulers", [])
    if len(optimizers) == 1 and "optimizer" not in module.unsaved_arguments:
        made = remake(optimizers[0], (torch.optim, optim))
        module.optimizer = made or _refusing("optimizer", optimizers[0]["class"], "AutoAdamW")
    if schedulers and module.scheduler is None:
        module.scheduler = _refusing("scheduler", schedulers[0], "None")


def check_has_optimizer(checkpoint: Mapping[str, Any], trainer: Trainer | None, name: str) -> None:
    """Check that training can go on from a checkpoint: a file of weights only has no state of an optimizer.

    Args:
        checkpoint: The checkpoint as loaded by Lightning.
        trainer: The Trainer that loads it; None outside one.
        name: Of the module's class.

    Raises:
        MisconfigurationException: If training is to go on from a file of weights only.
    """
    if trainer is not None and trainer.state.fn == TrainerFn.FITTING and "optimizer_states" not in checkpoint:
        raise MisconfigurationException(
            "`ckpt_path` must hold the state of the optimizer to go on training, got weights only, as "
            "`save_weights_only` saves them. Take the `last.ckpt` of the run, or start anew from these weights: "
            f"`{name}.load_from_checkpoint(path)`."
        )


class CheckResumedRun(Callback):
    """Before the optimizer's state is loaded, compares it and the schedule with those of the run."""

    def __init__(self) -> None:
        self._checkpoint: dict[str, Any] = {}
        self._record: Mapping[str, Any] = {}

    def on_load_checkpoint(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep the states until the optimizer exists."""
        self._checkpoint, self._record = checkpoint, checkpoint.get(CHECKPOINT_KEY, {}).get("record", {})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare.

        Raises:
            MisconfigurationException: If the class of the optimizer or of the schedule differs, or a state of the
                optimizer does not fit.
        """
        checkpoint, self._checkpoint = self._checkpoint, {}
        if "optimizer_states" not in checkpoint:
            return
        check_schedulers(pl_module, checkpoint, self._record)
        _check_average(trainer, self._record)
        _warn_of_average(trainer, checkpoint)
        _check_resampling(
            self._record.get("resample_every"), getattr(getattr(trainer, "datamodule", None), "resample_every", None)
        )
        _check_groups(trainer.optimizers, checkpoint["optimizer_states"])
        _check_same_parameters(self._record.get("optimized"), optimized(pl_module, trainer.optimizers))
        variant: Any = pl_module.variant
        _warn_of_length(type(variant).__name__, self._record.get("total_steps"), variant.total_steps)
        names: dict[Tensor, str] = {p: name for name, p in pl_module.named_parameters()}
        recorded = self._record.get("optimizers", [{}] * len(trainer.optimizers))
        for optimizer, entry, state in zip(trainer.optimizers, recorded, checkpoint["optimizer_states"], strict=False):
            _check_class(optimizer, entry.get("class"))
            try:
                _check_optimizer_state(optimizer, state, names)
            except ValueError as error:
                raise MisconfigurationException(str(error)) from error

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Freeze and unfreeze parameters as they were; callbacks may have set them as at the start of a run."""
        record, self._record = self._record, {}
        if "requires_grad" in record:
            for name, p in pl_module.named_parameters():
                p.requires_grad_(name in record["requires_grad"])


def check_schedulers(module: Any, checkpoint: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Compare the schedules of ``configure_optimizers`` with those of a checkpoint.

    Args:
        module: A `PINNModule` with the schedules.
        checkpoint: With ``lr_schedulers``.
        saved: The record in it.

    Raises:
        MisconfigurationException: If the checkpoint has others, none, or some where there are none.
    """
    mine = [describe_scheduler(config.scheduler, config.interval) for config in module._schedules.given]
    found = saved.get("schedulers")
    if found is None:  # of an older version, which recorded no classes
        found = mine if len(mine) == len(checkpoint.get("lr_schedulers", ())) else ["another one"] * (not mine)
    if found != mine and not any(name.startswith(SWALR.__name__) for name in found):  # an average's, not recorded now
        raise MisconfigurationException(
            f"`scheduler` must be as in the checkpoint, {'; '.join(found) or 'none'}, got {'; '.join(mine) or 'none'}: "
            f"the learning rate would be that of neither. {NAME_IT}"
        )


def _check_average(trainer: Trainer, saved: Mapping[str, Any]) -> None:
    kind = StochasticWeightAveraging
    if saved.get("swa") and not any(isinstance(each, kind) for each in trainer.callbacks):  # type: ignore[attr-defined]
        raise MisconfigurationException(
            f"`callbacks` must have {kind.__name__} as in the checkpoint, whose learning rate is that of the average, "
            f"got none. {NAME_IT}"
        )


def _warn_of_average(trainer: Trainer, checkpoint: Mapping[str, Any]) -> None:
    averages = any(isinstance(each, WeightAveraging) for each in trainer.callbacks)  # type: ignore[attr-defined]
    if "averaging_state" in checkpoint and not averages:
        rank_zero_warn(
            "`callbacks` have no WeightAveraging, such as EMAWeightAveraging, as in the checkpoint: the run goes on "
            "from the averaged weights, with the optimizer's state of those that were trained, and averages no more. "
            "Name the callback to go on exactly."
        )


def _check_resampling(found: int | None, mine: int | None) -> None:
    if None not in (found, mine) and found != mine:
        raise MisconfigurationException(
            f"`resample_every` must be as in the checkpoint, {found}, got {mine}: the draws would not go on. "
            "Change it back, or start a new run without `ckpt_path`."
        )


def _check_groups(optimizers: Sequence[Optimizer], states: Sequence[Mapping[str, Any]]) -> None:
    for optimizer, state in zip(optimizers, states, strict=False):
        found, mine = len(state["param_groups"]), len(optimizer.param_groups)
        if found > mine:
            raise MisconfigurationException(
                f"`param_groups` of the optimizer must be as in the checkpoint, {found}, got {mine}: a callback has "
                "added parameters since the start of that run. Let it call `add_param_group` for them in "
                "`on_fit_start`, too, before the states are loaded; Lightning's `BaseFinetuning` does."
            )


def _check_same_parameters(found: Sequence[str] | None, mine: Sequence[str]) -> None:
    differ = set(mine).symmetric_difference(mine if found is None else found)
    if differ:
        name, state = min(differ), ("frozen", "trained")
        raise MisconfigurationException(
            f"`requires_grad` of {name} must be as in the checkpoint, {state[name not in mine]}, got "
            f"{state[name in mine]}: the optimizer's state is that of other parameters. Change it back, or start a new "
            "run from the weights alone."
        )


def _warn_of_length(variant: str, found: int | None, mine: int | None) -> None:
    if None not in (found, mine) and found != mine:
        rank_zero_warn(
            f"`variant` {variant} follows a schedule over the whole run, of {found} steps in the checkpoint and {mine} "
            "now: the run goes on along the new one, and is not the uninterrupted run of either length. Give "
            "`iterations` from the start to be free to change `max_steps`."
        )


def _check_class(optimizer: Optimizer, found: str | None) -> None:
    mine = describe_optimizer(optimizer)["class"]
    if found not in (None, mine):
        raise MisconfigurationException(
            f"`optimizer` must be as in the checkpoint, {found}, got {mine}: the state of one cannot serve another. "
            f"{NAME_IT}"
        )


def _check_optimizer_state(optimizer: Optimizer, state: Mapping[str, Any], names: Mapping[Tensor, str]) -> None:
    if isinstance(optimizer, PostCombine):
        optimizer.check_state_dict(state, names)
        return
    if any("terms" in group for group in state["param_groups"]):
        raise ValueError(
            "`optimizer` must be as in the checkpoint, one with a state per loss term, got "
            f"{type(optimizer).__name__}. {NAME_IT}"
        )
    check_state(state, optimizer.param_groups, shapes_of(type(optimizer)), names)


def _check_given(module: Any, name: str) -> None:
    argument = signature(type(module).__init__).parameters.get(name)
    default = None if argument is None else argument.default
    if name not in objects_given(module) and module.hparams.get(name, default) == default:
        raise MisconfigurationException(
            f"`{name}` must be given again, as it was when the checkpoint was saved, which holds no objects, got none. "
            f"Call `load_from_checkpoint(path, {name}=...)`."
        )


def _refusing(name: str, saved: str, example: str) -> Callable[..., Any]:
    def refuse(*_: Any) -> Any:
        raise MisconfigurationException(
            f"`{name}` must be given to train on a module from `load_from_checkpoint`, which does not hold that of the "
            f"checkpoint, {saved}, got none. Call `load_from_checkpoint(path, {name}=...)`, or set "
            f"`module.{name} = {example}`."
        )

    return refuse


def _without_sum(modules: Mapping[str, Any]) -> Mapping[str, Any]:
    """The plain sum of the terms is what no balancer means, too."""
    return {} if modules.get("", {}).get("class") == EqualWeights.__qualname__ else modules
