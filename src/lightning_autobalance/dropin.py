"""Post-combine in an existing `LightningModule`: `step_terms` in place of `return loss`."""

from collections.abc import Mapping, Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lightning_autobalance.checks import check_combination, check_trainer
from lightning_autobalance.checks.arguments import check_clip
from lightning_autobalance.jacobian import term_gradients
from lightning_autobalance.optim import PostCombine
from lightning_autobalance.step import LogLine, TermGradients, clip, trained_parameters, unbalanced, update_parameters
from lightning_autobalance.step.finite import are_finite, non_finite_error
from lightning_autobalance.training.schedulers import step_schedulers


class TermLog:
    """The log line of :func:`step_terms`, to which callbacks such as ``BalanceMonitor`` add.

    Derive a module from it, ``class MyModule(TermLog, LightningModule)``, to use ``BalanceMonitor`` with the module.
    """

    terms: tuple[str, ...] = ()
    """Names of the loss terms, in the order of the rows of ``p.jac``."""
    logs_this_step: bool = False
    """Whether this step is logged; `record` only then."""
    _line: LogLine
    _checked: int = 0

    def record(self, name: str, value: Tensor) -> None:
        """Add a 0-dim tensor to the log line of this step.

        Args:
            name: Key of the value, such as ``balance/grad_norm/pde``.
            value: Stays on its device until the line is written.
        """
        self._line.record(name, value)

    def _begin(self, trainer: Trainer, terms: tuple[str, ...]) -> None:
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        self.terms = terms
        self.logs_this_step = every > 0 and trainer.global_step % every == 0
        self._line = LogLine()
        if self._checked != id(trainer):  # once per Trainer
            _check(trainer)
            self._checked = id(trainer)

    def _write(self, trainer: Trainer, gradients: TermGradients, lr: float, step: int) -> None:
        self._line.record_losses(gradients)
        device = gradients.losses.device
        self._line.write(trainer.loggers, trainer.callback_metrics, {"lr": lr}, step=step, device=device)


def step_terms(
    module: LightningModule, losses: Mapping[str, Tensor], *, gradient_clip_val: float | None = None
) -> None:
    """Take one optimizer step on named losses: one gradient per term and, under post-combine, one optimizer state each.

    Call it once at the end of ``training_step``, in place of ``return loss``, in a module with
    ``self.automatic_optimization = False``. It differentiates each term, raises on values that are not finite before a
    weight changes, steps the optimizer (along the sum of the gradients if it is not post-combine) and the learning rate
    schedules, and every ``log_every_n_steps`` steps logs ``loss/<term>`` and the values recorded by callbacks.

    Args:
        module: The module being trained, with one optimizer.
        losses: 0-dim losses by name of the term, the same terms in every step.
        gradient_clip_val: Largest norm of the gradient of each term; a longer one is scaled down to it.

    Raises:
        MisconfigurationException: If the module optimizes automatically, has several optimizers or one that evaluates
            the losses several times, if the terms change, or if the Trainer clips, accumulates, has several processes
            or half precision.
        NonFiniteError: If a loss or a gradient is NaN or infinite.
        ValueError: If ``losses`` is empty, a loss is not a scalar or depends on no parameter, or ``gradient_clip_val``
            is not positive.

    Note:
        A ``ReduceLROnPlateau`` is not stepped, since only the module knows its value: call
        ``self.lr_schedulers().step(value)`` in ``on_validation_epoch_end``. Schedules per epoch step with the last
        batch, as in Lightning.
    """
    check_clip(gradient_clip_val)
    optimizer, trainer = _optimizer(module), module.trainer
    step, lr = trainer.global_step, float(optimizer.param_groups[0]["lr"])
    log = _log_of(module)
    log._begin(trainer, tuple(losses))
    _keep_order(optimizer, list(losses))
    params = trained_parameters(optimizer)
    gradients = _term_gradients(losses, params, gradient_clip_val, step=step, lr=lr)
    update_parameters(optimizer, params, unbalanced(gradients, pre_combine=not isinstance(optimizer, PostCombine)))
    if log.logs_this_step:
        log._write(trainer, gradients, lr, step)
    step_schedulers(trainer, "step", step + 1)
    if trainer.is_last_batch:
        step_schedulers(trainer, "epoch", trainer.current_epoch + 1)


def _log_of(module: LightningModule) -> TermLog:
    log = module if isinstance(module, TermLog) else getattr(module, "_term_log", None)
    if log is None:
        log = TermLog()
        module._term_log = log  # type: ignore[assignment]
    return log


def _optimizer(module: LightningModule) -> Optimizer:
    name = type(module).__name__
    if module.automatic_optimization:
        raise MisconfigurationException(
            f"`automatic_optimization` of {name} must be False, got True: Lightning would step along one summed loss. "
            "Write `self.automatic_optimization = False` in its `__init__`."
        )
    optimizer = module.optimizers()
    if not isinstance(optimizer, Optimizer):
        count = len(optimizer) if isinstance(optimizer, list) else 0
        raise MisconfigurationException(
            f"`step_terms` steps one optimizer, got {count} from `configure_optimizers` of {name}. Put all parameters "
            "into one AutoAdamW, with a parameter group for each learning rate."
        )
    return optimizer


def _keep_order(optimizer: Optimizer, terms: list[str]) -> None:
    # Kept in the parameter groups, so that a resumed run must have the order of its checkpoint.
    for group in optimizer.param_groups if isinstance(optimizer, PostCombine) else ():
        if group.setdefault("term_names", terms) != terms:
            raise MisconfigurationException(
                f"`losses` must hold the same terms in the same order in every step, {group['term_names']}, got "
                f"{terms}: each has an optimizer state of its own."
            )


def _term_gradients(
    losses: Mapping[str, Tensor], params: Sequence[Tensor], limit: float | None, *, step: int, lr: float
) -> TermGradients:
    blocks = term_gradients(losses, params)
    values = torch.stack([loss.detach() for loss in losses.values()])
    gradients = clip(TermGradients(tuple(losses), values, blocks), limit)
    if not are_finite(gradients):
        raise non_finite_error(gradients, step=step, lr=lr)
    return gradients


def _check(trainer: Trainer) -> None:
    check_trainer(trainer)
    check_combination(trainer.optimizers[0], None)
    if any(isinstance(config.scheduler, ReduceLROnPlateau) for config in trainer.lr_scheduler_configs):
        rank_zero_warn(
            "`step_terms` does not step ReduceLROnPlateau, since its value is known only after validation. Call "
            "`self.lr_schedulers().step(value)` in `on_validation_epoch_end`."
        )
