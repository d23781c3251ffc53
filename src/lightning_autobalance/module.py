"""`PINNModule`: the LightningModule that owns the parts of a training step and calls the stages of `step/` in order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightning_autobalance import checks
from lightning_autobalance import step as stages
from lightning_autobalance.balancing import Balancer, EqualWeights
from lightning_autobalance.field import NeuralField
from lightning_autobalance.optim import AutoAdamW, PostCombine
from lightning_autobalance.optim.finish import Finisher
from lightning_autobalance.shapes import Losses
from lightning_autobalance.training.batches import has_own_loader, measured_parts, point_counts, points_of_step
from lightning_autobalance.training.callbacks import callbacks_of_every_run
from lightning_autobalance.training.calls import batches_of_call, tell_if_single
from lightning_autobalance.training.checkpoint_io import AtomicCheckpointIO
from lightning_autobalance.training.distributed_state import (
    gather_per_point_state,
    keep_own_per_point_state,
    synchronise,
)
from lightning_autobalance.training.finishing import EndOfRun, FinishPhase
from lightning_autobalance.training.hyperparameters import drop_objects, save_plain_hyperparameters
from lightning_autobalance.training.record import CHECKPOINT_KEY, make_record
from lightning_autobalance.training.resume import restore_optimizer
from lightning_autobalance.training.schedulers import (
    EpochSchedules,
    count_step,
    optimizer_configuration,
    set_learning_rate,
)
from lightning_autobalance.training.sigterm import SaveOnTermination, last_checkpoint
from lightning_autobalance.utils.malloc import keep_freed_memory
from lightning_autobalance.utils.plain import plain
from lightning_autobalance.variants import MeanSquares, Variant

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
        steps_per_call: Largest number of optimizer steps per ``training_step``: spreads the cost of Lightning's loop
            over several steps. A step that a callback, a logger or a validation must see has a call of its own.
        derivatives: ``taylor`` (forward mode), ``reverse`` (nested reverse mode), or ``auto``: Taylor mode if the
            network supports it.
        finish: Takes the last steps of the run by curvature, such as ``LevenbergMarquardt(steps=150)``.
        stop_at_noise: Standard deviation of the noise by measured term: the run ends where their residuals have come
            down to it, and the other terms weigh no more than they do (the discrepancy principle).
        compile: Compile a step from the points to the terms' gradients: ``auto`` for runs long enough to earn it back
            where there is a compiler (C++ on a CPU), true, or one of torch's compile modes, such as
            ``reduce-overhead``. Where it fails the run goes on uncompiled; a warning says why, except of ``auto``.
        cuda_graph: Removed; ``false`` of older configurations still loads. Use ``compile: reduce-overhead``.
        check_exact: Before training, check that the residuals of the exact solution vanish, up to 1e-5 of their scale
            or to the number given here.
        reference: A solution known at points, for errors and plots in place of ``exact``: ``{file: burgers.npz}`` with
            a column for each coordinate and field, or else ``inputs: [x, t], targets: {u: usol}``; or arrays (X, U).

    Raises:
        ValueError: If a number is out of range, `compile` is not one of torch's modes, or `cuda_graph` is true.
    """

    lr: float | None = None
    """Learning rate, set by Lightning's finder; None for that of ``optimizer``."""

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
        finish: Finisher | None = None,
        stop_at_noise: dict[str, float] | None = None,
        compile: bool | str = "auto",  # noqa: A002  as in torch
        cuda_graph: bool = False,
        check_exact: bool | float = True,
        reference: dict[str, Any] | tuple[Any, Any] | None = None,
    ) -> None:
        super().__init__(net, derivatives, reference)
        weights, gradient_clip_val = plain(dict(weights or {})), plain(gradient_clip_val)
        skip_non_finite, steps_per_call = plain(skip_non_finite), plain(steps_per_call)
        checks.check_module_arguments(
            optimizer=optimizer,
            weights=weights,
            gradient_clip_val=gradient_clip_val,
            skip_non_finite=skip_non_finite,
            steps_per_call=steps_per_call,
            stop_at_noise=(noise := plain(dict(stop_at_noise or {}))),
            compile=compile,
            cuda_graph=cuda_graph,
        )
        self.automatic_optimization = False
        self.unsaved_arguments = save_plain_hyperparameters(self)
        self.optimizer: OptimizerCallable = optimizer if optimizer is not None else AutoAdamW
        self.scheduler = scheduler
        self.scheduler_interval = scheduler_interval
        self.monitor = monitor
        self._schedules = EpochSchedules(monitor)
        self.balancer = balancer
        self.variant = variant if variant is not None else MeanSquares()
        self.weights = weights
        self.gradient_clip_val = gradient_clip_val
        self.finite_check = stages.FiniteCheck(skip_non_finite)
        self.steps_per_call = steps_per_call
        self.check_exact = check_exact
        self.finish = finish
        self.finish_phase = FinishPhase(finish)
        self.end_of_run = EndOfRun(noise, weights)
        self.terms: tuple[str, ...] = ()
        self.logs_this_step = False
        self.latest: dict[str, float] = {}
        self.log_line = stages.LogLine()
        self.gradient_stage = stages.TermGradientStage(compile)
        self._variant_is_prepared = self._ready = False
        self._termination = SaveOnTermination()
        self._stop: bool | Tensor = False  # whether any process was told to, as of the last step

    # Losses ---------------------------------------------------------------------------------------------------------

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One scalar per term: by default those that the variant computes from the residuals.

        Args:
            points: The collocation points by part of the domain, each (b, d).
        """
        if not self._variant_is_prepared:
            self._prepare_variant(points)
        return stages.losses_outside_training(self.variant, self.residuals, points)

    @property
    def has_own_losses(self) -> bool:
        """Whether the subclass overrides `losses`, and thereby bypasses the variant."""
        return type(self).losses is not PINNModule.losses

    # Optimizer and schedule -----------------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """Create the optimizer and, if there is one, its schedule."""
        try:
            checks.check_parameters(self)
            optimizer = self.optimizer(p for p in self.parameters() if p.requires_grad)
            set_learning_rate(optimizer, self.lr)
            checks.check_combination(optimizer, self.balancer, self.terms)
            if self.scheduler is None:
                return optimizer
            return optimizer_configuration(optimizer, self.scheduler(optimizer), self.scheduler_interval)
        except ValueError as error:  # an argument of the optimizer or the schedule
            raise MisconfigurationException(str(error)) from error

    def _get_ready(self, optimizer: Optimizer, points: Mapping[str, Tensor]) -> None:
        """Before the first step, catch up on hooks that a subclass has overridden without ``super()``."""
        if not self._schedules.attached:
            raise MisconfigurationException(
                f"`configure_callbacks` of {type(self).__name__} must add its callbacks to those of "
                "`super().configure_callbacks()`, got an override that leaves them out."
            )
        if not self.terms or has_own_loader(self.trainer):
            with isolate_rng():  # a resumed run has its random states already
                loaded, self.terms = self.terms, self._checked_terms(points)
            checks.check_terms_of_checkpoint(self.terms, loaded)
        checks.check_combination(optimizer, self.balancer, self.terms)
        if self.balancer is None and not isinstance(optimizer, PostCombine):
            self.balancer = EqualWeights()
        tell_if_single(self.trainer, self.steps_per_call, has_own_step=self._has_own_step)
        self._ready = True

    # The training step ----------------------------------------------------------------------------------------------

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor | None:  # noqa: ARG002
        """Take up to ``steps_per_call`` optimizer steps, fewer where Lightning, a logger or a callback is due.

        Returns the sum of the losses in the last one, for callbacks such as ``LearningRateFinder``.
        """
        losses = None
        single = self._has_own_step or self.finish_phase.is_due(self.trainer.global_step, self.trainer)
        for each in batches_of_call(self.trainer, batch, 1 if single else self.steps_per_call):
            losses = self._step(points_of_step(each, self.trainer, self), self.trainer.global_step)
        self._termination.stop(self.trainer, self._stop)
        if 0 <= self.trainer.max_steps <= self.trainer.global_step:
            self._check_finite_weights()
            self.trainer.should_stop = True  # Lightning then validates the final state, also within an epoch
        return None if losses is None else losses.sum()

    @property
    def _has_own_step(self) -> bool:
        return type(self).training_step is not PINNModule.training_step

    def _step(self, points: Mapping[str, Tensor], step: int) -> Losses:
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        self.logs_this_step = every > 0 and step % every == 0
        optimizer = self.optimizers()
        if not isinstance(optimizer, Optimizer):
            raise MisconfigurationException(f"`PINNModule` steps one optimizer, got {optimizer!r}.")
        if not self._ready:
            self._get_ready(self.trainer.optimizers[0], points)
        self._schedules.before_optimizer_step(self.trainer)
        params = stages.trained_parameters(optimizer)
        if self.finish_phase.is_due(step, self.trainer):
            return self._finish_step(points, params, step)
        lr = optimizer.param_groups[0]["lr"]
        mine = self._term_gradients(points, params, step)
        gradients, self._stop = stages.reduce_over_ranks(mine, stop=self._termination.received)
        gradients = stages.clip(gradients, self.gradient_clip_val)
        stages.align_columns((self.balancer, self.variant), params, gradients.blocks, self.named_parameters)
        combine = partial(
            stages.combine_terms,
            gradients,
            self.balancer,
            step=step,
            weights=self.weights,
            ntk=partial(stages.ntk_diagonals, self, self.residuals, points, self.weights),
            pre_combine=not isinstance(self.trainer.optimizers[0], PostCombine),
        )
        hint = partial(last_checkpoint, self.trainer)
        combined = stages.combine_if_finite(
            combine, gradients, self.balancer, self.finite_check, step=step, lr=lr, hint=hint
        )
        if combined is not None:
            if self.variant.watches_gradients:
                self.variant.observe(gradients.jacobian())
            stages.update_parameters(optimizer, params, combined)
            if self.logs_this_step:
                self._log(gradients, float(lr), step)
        else:
            count_step(optimizer)
            stages.clear(params)
        self._schedules.after_optimizer_step(self.trainer, step + 1, gradients.terms, gradients.losses)
        self.end_of_run.end(self.trainer, self.end_of_run.at_noise(gradients.terms, gradients.losses))
        return gradients.losses

    def _finish_step(self, points: Mapping[str, Tensor], params: Sequence[Tensor], step: int) -> Losses:
        found, self._stop = self.finish_phase.step(self, self._loss_stage(points), points, params, step)
        if self.logs_this_step:
            self._log(found, None, step)
        count_step(self.optimizers())  # type: ignore[arg-type]  # it is one, see `_step`
        return found.losses

    def _term_gradients(
        self, points: Mapping[str, Tensor], params: Sequence[Tensor], step: int
    ) -> stages.TermGradients:
        losses = self._loss_stage(points)
        all_needed = self.logs_this_step or self.variant.watches_gradients
        try:
            gradients = self.gradient_stage(
                losses,
                losses.begin(points, step),
                params,
                weights=self.weights,
                terms=self.terms,
                needed=() if all_needed else stages.terms_needed(self.balancer, self.terms),
            )
        except stages.ChangedTermsError as error:
            raise MisconfigurationException(str(error)) from error
        self.terms = gradients.terms
        return gradients

    def _loss_stage(self, points: Mapping[str, Tensor]) -> stages.LossStage:
        if self.has_own_losses:
            return stages.OwnLosses(self.losses, type(self).__name__)
        if not self._variant_is_prepared:
            self._prepare_variant(points)
        return stages.ResidualLosses(self.variant, self.residuals)

    # Logging --------------------------------------------------------------------------------------------------------

    def record(self, name: str, value: Tensor) -> None:
        """Add a 0-dim tensor to the log line of this step; call it only if ``logs_this_step``.

        Args:
            name: Key of the value, such as ``balance/grad_norm/pde``.
            value: Stays on its device until the line is written.
        """
        self.log_line.record(name, value)

    def _log(self, gradients: stages.TermGradients, lr: float | None, step: int) -> None:
        self.log_line.record_losses(gradients)
        for name, number in self.variant.numbers().items():
            self.record(f"variant/{name}", number)
        skipped = self.finite_check.skipped
        self.latest = self.log_line.write(
            self.trainer.loggers,
            self.trainer.callback_metrics,
            ({} if lr is None else {"lr": lr}) | ({"skipped": float(skipped)} if skipped else {}),
            step=step,
            device=self.device,
        )

    # Evaluation -----------------------------------------------------------------------------------------------------

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
        self.finish_phase = FinishPhase(self.finish)
        self.end_of_run = EndOfRun(self.end_of_run.given, self.weights, measured_parts(self.trainer).noise)
        self._schedules, self._termination = EpochSchedules(self.monitor), SaveOnTermination()
        return [self._schedules, self._termination, *callbacks_of_every_run()]

    def setup(self, stage: str) -> None:
        """Check the module on a few points before anything is trained or written."""
        if stage == "fit":
            if self.device.type == "cpu":
                keep_freed_memory()
            synchronise(self, self._trainer)
            own = type(self).__name__ if self.has_own_losses else ""
            checks.check_finish(self.finish, self.trainer, self.variant, self.balancer, own_losses=own)
            self.terms = self._checked_terms()

    def _checked_terms(self, batch: Mapping[str, Tensor] | None = None) -> tuple[str, ...]:
        if not has_own_loader(self._trainer):
            batch = None
        elif batch is None:
            return ()  # its first batch is checked before the first step
        named = {"weights": self.weights, "measured": self.measured, "stop_at_noise": self.end_of_run.noise}
        counts, find = point_counts(self._trainer), partial(checks.find_terms, self)
        return checks.check_problem(
            self, counts, find, named=named, exact=self.check_exact, batch=batch, measured=measured_parts(self._trainer)
        )

    def _prepare_variant(self, points: Mapping[str, Tensor]) -> tuple[str, ...]:
        self._variant_is_prepared = True
        return checks.prepare_variant_of(self, points)

    def _check_finite_weights(self) -> None:
        stages.check_finite_weights(dict(self.named_parameters()) | dict(self.named_buffers()), self.global_step)

    # Checkpoints ----------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add problem, terms and a record of the run's parts; refuse to save weights that are not finite."""
        self._check_finite_weights()
        checkpoint[CHECKPOINT_KEY] = {
            "problem": type(self).__qualname__,
            "terms": list(self.terms),
            "variant": type(self.variant).__name__,
            "guard": self.finite_check.state_dict(),
            "record": make_record(self, self._trainer),
            "finish": self.finish_phase.state_dict(),
        }
        gather_per_point_state(self.variant, checkpoint["state_dict"], checkpoint.get("current_model_state", {}))
        drop_objects(checkpoint)
        checkpoint.update(plain(checkpoint))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another problem, variant or set of terms; restore the counts of skipped steps."""
        own = checks.check_loaded(self, checkpoint)
        if self._trainer is None:
            restore_optimizer(self, own.get("record", {}))
        elif self._trainer.training:
            self.finish_phase.load_state_dict(own.get("finish", {}))
        if has_own_loader(self._trainer):  # compared at the first batch
            self.terms = tuple(own.get("terms", ()))
        counts = own.get("guard")
        if counts is not None:
            self.finite_check.load_state_dict(counts)
        keep_own_per_point_state(self.variant, checkpoint["state_dict"], checkpoint.get("current_model_state", {}))
