"""`PINNModule`: the LightningModule that owns the parts of a training step and calls the stages of `step/` in order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightning_autobalance import checks
from lightning_autobalance.balancing import Balancer, EqualWeights
from lightning_autobalance.field import NeuralField
from lightning_autobalance.optim import AutoAdamW, PostCombine
from lightning_autobalance.points import Draws, points_of
from lightning_autobalance.shapes import Points
from lightning_autobalance.step import (
    ChangedTermsError,
    FiniteCheck,
    LogLine,
    LossStage,
    OwnLosses,
    ResidualLosses,
    TermGradients,
    TermGradientStage,
    align_columns,
    check_finite_weights,
    clear,
    clip,
    combine_if_finite,
    combine_terms,
    losses_outside_training,
    ntk_diagonals,
    parts_of_terms,
    reduce_over_ranks,
    terms_needed,
    trained_parameters,
    update_parameters,
)
from lightning_autobalance.training.checkpoint_io import AtomicCheckpointIO
from lightning_autobalance.training.distributed_state import (
    gather_per_point_state,
    keep_own_per_point_state,
    synchronise,
)
from lightning_autobalance.training.hyperparameters import is_plain, under_cli
from lightning_autobalance.training.logger_guard import LoggerGuard
from lightning_autobalance.training.schedulers import (
    EpochSchedules,
    count_skipped_step,
    optimizer_configuration,
    step_schedulers,
)
from lightning_autobalance.training.sigterm import SaveOnTermination, last_checkpoint
from lightning_autobalance.utils.malloc import keep_freed_memory
from lightning_autobalance.variants import MeanSquares, ProblemInfo, Variant

CHECKPOINT_KEY = "lightning_autobalance"
OptimizerCallable = Callable[[Iterable[Tensor]], Optimizer]
LRSchedulerCallable = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]


class PINNModule(NeuralField):
    """A physics-informed neural network: subclass it, give it a domain and residuals, and train it with any Trainer.

    Every loss term is differentiated separately. ``AutoAdamW`` (post-combine) keeps an optimizer state for each
    gradient; any other torch optimizer steps along the gradient that ``balancer`` combines from them (pre-combine).

    Args:
        net: The network u(x; w), (b, d) to (b, k). By default an ``MLP`` with three hidden layers of 50 tanh units.
        optimizer: Creates the optimizer from the parameters. ``AutoAdamW`` by default.
        scheduler: Creates the learning rate schedule from the optimizer.
        scheduler_interval: Step the schedule after every optimizer step or after every epoch.
        monitor: Name of the logged value that a ``ReduceLROnPlateau`` watches; it steps after every epoch.
        balancer: Weighting of the terms, or aggregator of their gradients, for optimizers that are not post-combine.
            The plain sum by default.
        variant: Turns residuals into losses. Mean squares by default.
        weights: Fixed factors of the losses (lambda in the papers) by name of the term; 1 for terms not listed. They
            cancel under post-combine.
        gradient_clip_val: Largest norm of the gradient of each term; a longer one is scaled down to it.
        skip_non_finite: Largest number of consecutive steps that are skipped because a loss or a gradient is not
            finite; 0 stops at the first one. Skipped steps are counted. Useful only if the next step has other points.
        steps_per_call: Optimizer steps per ``training_step``: spreads the cost of Lightning's loop over several steps.
        derivatives: ``taylor`` (forward mode), ``reverse`` (nested reverse mode), or ``auto``: Taylor mode if the
            network supports it.
        compile: Compile a step from the points to the terms' gradients: true, or one of torch's compile modes, such as
            ``reduce-overhead``, which uses CUDA graphs on a GPU. On a CPU it needs a C++ compiler. If compilation
            fails, a warning says why and the run goes on uncompiled.
        cuda_graph: Removed, kept so that older configurations and checkpoints with ``cuda_graph: false`` still load.
            Use ``compile: reduce-overhead``.
        check_exact: Before training, check that the residuals of the exact solution vanish, up to 1e-5 of their scale
            or to the number given here.

    Raises:
        ValueError: If a number is out of range, `compile` is not one of torch's modes, or `cuda_graph` is true.
    """

    def __init__(
        self,
        net: nn.Module | None = None,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["step", "epoch"] = "step",
        monitor: str = "val/rel_l2",
        balancer: Balancer | None = None,
        variant: Variant | None = None,
        weights: dict[str, float] | None = None,
        gradient_clip_val: float | None = None,
        skip_non_finite: int = 0,
        steps_per_call: int = 1,
        derivatives: Literal["auto", "taylor", "reverse"] = "auto",
        compile: bool | str = False,  # noqa: A002  as in torch
        cuda_graph: bool = False,
        check_exact: bool | float = True,
    ) -> None:
        super().__init__(net, derivatives)
        checks.check_module_arguments(
            optimizer=optimizer,
            weights=weights or {},
            gradient_clip_val=gradient_clip_val,
            skip_non_finite=skip_non_finite,
            steps_per_call=steps_per_call,
            compile=compile,
            cuda_graph=cuda_graph,
        )
        self.automatic_optimization = False
        self._save_plain_hyperparameters()
        self.optimizer: OptimizerCallable = optimizer if optimizer is not None else AutoAdamW
        self.scheduler = scheduler
        self.scheduler_interval = scheduler_interval
        self.monitor = monitor
        self.balancer = balancer
        self.variant = variant if variant is not None else MeanSquares()
        self.weights = dict(weights or {})
        self.gradient_clip_val = gradient_clip_val
        self.finite_check = FiniteCheck(skip_non_finite)
        self.steps_per_call = steps_per_call
        self.check_exact = check_exact
        self.terms: tuple[str, ...] = ()
        self.logs_this_step = False
        self.latest: dict[str, float] = {}
        self.log_line = LogLine()
        self.gradient_stage = TermGradientStage(compile)
        self._variant_is_prepared = False
        self._ready = False

    # Losses ---------------------------------------------------------------------------------------------------------

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One scalar per term: by default those that the variant computes from the residuals.

        Args:
            points: The collocation points by part of the domain, each (b, d).
        """
        if not self._variant_is_prepared:
            self._prepare_variant(points)
        return losses_outside_training(self.variant, self.residuals, points)

    @property
    def has_own_losses(self) -> bool:
        """Whether the subclass overrides `losses`, and thereby bypasses the variant."""
        return type(self).losses is not PINNModule.losses

    # Optimizer and schedule -----------------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """Create the optimizer and, if there is one, its schedule."""
        try:
            optimizer = self.optimizer(p for p in self.parameters() if p.requires_grad)
            checks.check_combination(optimizer, self.balancer, self.terms)
            if self.scheduler is None:
                return optimizer
            return optimizer_configuration(optimizer, self.scheduler(optimizer), self.scheduler_interval)
        except ValueError as error:  # an argument of the optimizer or the schedule
            raise MisconfigurationException(str(error)) from error

    def _get_ready(self, optimizer: Optimizer) -> None:
        """Before the first step, catch up on hooks that a subclass has overridden without ``super()``."""
        if not any(isinstance(callback, EpochSchedules) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            raise MisconfigurationException(
                f"`configure_callbacks` of {type(self).__name__} must add its callbacks to those of "
                "`super().configure_callbacks()`, got an override that leaves them out."
            )
        if not self.terms:
            self.terms = self._checked_terms()
        checks.check_combination(optimizer, self.balancer, self.terms)
        if self.balancer is None and not isinstance(optimizer, PostCombine):
            self.balancer = EqualWeights()
        self._ready = True

    # The training step ----------------------------------------------------------------------------------------------

    def training_step(self, batch: Mapping[str, Tensor] | Draws, batch_idx: int) -> None:  # noqa: ARG002
        """Take optimizer steps up to the next multiple of ``steps_per_call``, but not beyond ``max_steps``."""
        done, limit = self.trainer.global_step, self.trainer.max_steps
        for step in range(done, (done // self.steps_per_call + 1) * self.steps_per_call):
            if 0 <= limit <= step:
                break
            self._step(points_of(batch, step), step)
        if 0 <= limit <= self.trainer.global_step:
            self._check_finite_weights()
            self.trainer.should_stop = True  # Lightning then validates the final state, also within an epoch

    def _step(self, points: Mapping[str, Tensor], step: int) -> None:
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        self.logs_this_step = every > 0 and step % every == 0
        optimizer = self.optimizers()
        if not isinstance(optimizer, Optimizer):
            raise MisconfigurationException(f"`PINNModule` steps one optimizer, got {optimizer!r}.")
        if not self._ready:
            self._get_ready(self.trainer.optimizers[0])
        params = trained_parameters(optimizer)
        lr = optimizer.param_groups[0]["lr"]
        gradients = clip(reduce_over_ranks(self._term_gradients(points, params, step)), self.gradient_clip_val)
        align_columns((self.balancer, self.variant), params, gradients.blocks, self.named_parameters)
        combine = partial(
            combine_terms,
            gradients,
            self.balancer,
            step=step,
            weights=self.weights,
            ntk=partial(ntk_diagonals, self, self.residuals, points, self.weights),
            pre_combine=not isinstance(self.trainer.optimizers[0], PostCombine),
        )
        hint = partial(last_checkpoint, self.trainer)
        combined = combine_if_finite(combine, gradients, self.balancer, self.finite_check, step=step, lr=lr, hint=hint)
        if combined is not None:
            if self.variant.watches_gradients:
                self.variant.observe(gradients.jacobian())
            update_parameters(optimizer, params, combined)
            if self.logs_this_step:
                self._log(gradients, float(lr), step)
        else:
            count_skipped_step(optimizer)
            clear(params)
        step_schedulers(self.trainer, "step", step + 1, self.monitor)

    def _term_gradients(self, points: Mapping[str, Tensor], params: Sequence[Tensor], step: int) -> TermGradients:
        losses = self._loss_stage(points)
        all_needed = self.logs_this_step or self.variant.watches_gradients
        try:
            gradients = self.gradient_stage(
                losses,
                losses.begin(points, step),
                params,
                weights=self.weights,
                terms=self.terms,
                needed=() if all_needed else terms_needed(self.balancer, self.terms),
            )
        except ChangedTermsError as error:
            raise MisconfigurationException(str(error)) from error
        self.terms = gradients.terms
        return gradients

    def _loss_stage(self, points: Mapping[str, Tensor]) -> LossStage:
        if self.has_own_losses:
            return OwnLosses(self.losses, type(self).__name__)
        if not self._variant_is_prepared:
            self._prepare_variant(points)
        return ResidualLosses(self.variant, self.residuals)

    # Logging --------------------------------------------------------------------------------------------------------

    def record(self, name: str, value: Tensor) -> None:
        """Add a 0-dim tensor to the log line of this step; call it only if ``logs_this_step``.

        Args:
            name: Key of the value, such as ``balance/grad_norm/pde``.
            value: Stays on its device until the line is written.
        """
        self.log_line.record(name, value)

    def _log(self, gradients: TermGradients, lr: float, step: int) -> None:
        self.log_line.record_losses(gradients)
        for name, number in self.variant.numbers().items():
            self.record(f"variant/{name}", number)
        skipped = self.finite_check.skipped
        self.latest = self.log_line.write(
            self.trainer.loggers,
            self.trainer.callback_metrics,
            {"lr": lr} | ({"skipped": float(skipped)} if skipped else {}),
            step=step,
            device=self.device,
        )

    # Evaluation -----------------------------------------------------------------------------------------------------

    def validation_step(self, batch: Points | dict[str, Tensor], batch_idx: int) -> None:
        """Compare with the exact solution on a batch of the grid, (b, d), or compute losses at held-out points."""
        super().validation_step(batch, batch_idx)
        if self.steps_per_call > 1 and self.trainer.training and self.trainer.loggers:
            step = float(self.trainer.global_step)  # Lightning's own step axis counts calls
            self.log("step", step, on_epoch=True, sync_dist=True)

    def held_out_losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Losses at points not used in training, without the variant, whose weights belong to the training points."""
        return self.losses(points) if self.has_own_losses else super().held_out_losses(points)

    # Checks ---------------------------------------------------------------------------------------------------------

    def configure_callbacks(self) -> list[Any]:
        """Check the Trainer, in the earliest hook that knows it, and add the callbacks that training needs."""
        checks.check_trainer(self.trainer)
        self.trainer.precision_plugin.convert_module(self)  # before a checkpoint is loaded, which would be rounded
        if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # a user's own is kept
            self.trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        self._ready = False
        return [EpochSchedules(self.monitor), SaveOnTermination(), LoggerGuard()]

    def setup(self, stage: str) -> None:
        """Check the module on a few points before anything is trained or written."""
        if stage == "fit":
            if self.device.type == "cpu":
                keep_freed_memory()
            synchronise(self, self._trainer)
            self.terms = self._checked_terms()

    def _checked_terms(self) -> tuple[str, ...]:
        data = getattr(self._trainer, "datamodule", None)
        counts = getattr(data, "counts", None)
        if data is not None and counts is None:
            return self.terms  # another data module: its batches are checked at the first step
        named = {"weights": self.weights, "measured": self.measured}
        return checks.check_problem(self, counts, self._find_terms, named=named, exact=self.check_exact)

    def _find_terms(self, points: Mapping[str, Tensor]) -> tuple[str, ...]:
        name = type(self).__name__
        checks.check_variant_has_residuals(self.variant, name, own_losses=self.has_own_losses)
        if self.has_own_losses:
            with torch.enable_grad():
                return tuple(self.losses(points))
        checks.check_depends_on_network(checks.check_residuals(self, points), name)
        terms = self._prepare_variant(points)
        if checks.holds_points(self.variant):
            return terms  # its weights belong to the points of an earlier run
        return checks.check_variant_losses(self.variant, self.residuals, points, name)

    def _prepare_variant(self, points: Mapping[str, Tensor]) -> tuple[str, ...]:
        self._variant_is_prepared = True
        if isinstance(self.variant, MeanSquares):
            return ()
        trainer = self._trainer
        max_steps = 0 if trainer is None else trainer.max_steps if trainer.max_steps >= 0 else None
        resample_every = getattr(getattr(trainer, "datamodule", None), "resample_every", 0)
        problem = ProblemInfo(self.domain, parts_of_terms(self.residuals, points), max_steps, resample_every)
        return checks.prepare_variant(self.variant, problem, self.balancer)

    def _check_finite_weights(self) -> None:
        check_finite_weights(dict(self.named_parameters()) | dict(self.named_buffers()), self.global_step)

    # Checkpoints ----------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the names of problem, variant and terms; refuse to save weights that are not finite."""
        self._check_finite_weights()
        checkpoint[CHECKPOINT_KEY] = {
            "problem": type(self).__qualname__,
            "terms": list(self.terms),
            "variant": type(self.variant).__name__,
            "guard": self.finite_check.state_dict(),
        }
        gather_per_point_state(self.variant, checkpoint["state_dict"])

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another problem, variant or set of terms; restore the counts of skipped steps."""
        checks.check_checkpoint(
            checkpoint,
            CHECKPOINT_KEY,
            problem=type(self).__qualname__,
            variant=type(self.variant).__name__,
            terms=self.terms,
            state_names=self.state_dict().keys(),
        )
        counts = checkpoint.get(CHECKPOINT_KEY, {}).get("guard")
        if counts is not None:
            self.finite_check.load_state_dict(counts)
        keep_own_per_point_state(self.variant, checkpoint["state_dict"])

    def _save_plain_hyperparameters(self) -> None:
        # Objects would be pickled into the checkpoint, which could then not be loaded with `weights_only=True`. Under
        # the CLI the values are those of the parsed configuration, which are plain.
        self.save_hyperparameters(ignore=["net", "balancer", "variant"] if not under_cli() else None, logger=True)
        for name in [name for name, value in self.hparams.items() if not is_plain(value)]:
            del self.hparams[name]
        self._hparams_initial = dict(self.hparams)
