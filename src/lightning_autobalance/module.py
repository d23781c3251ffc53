"""`PINNModule`: the whole arrow from points to update, for Lightning."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torchmetrics import MetricCollection

from lightning_autobalance import gradients, variation
from lightning_autobalance.balancing import Balancer, EqualWeights, StepView
from lightning_autobalance.checks import (
    check_checkpoint,
    check_combination,
    check_module,
    check_optimizer_argument,
    check_trainer,
)
from lightning_autobalance.compilation import check_compile
from lightning_autobalance.field import NeuralField
from lightning_autobalance.guard import StepGuard
from lightning_autobalance.kernels import kernel_diagonals
from lightning_autobalance.metrics import solution_metrics
from lightning_autobalance.optim import AutoAdamW, PostCombine
from lightning_autobalance.passes import Passes
from lightning_autobalance.points import Draws, points_of
from lightning_autobalance.reduction import reduced
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.training import distributed_state, schedulers, sigterm
from lightning_autobalance.training.checkpoint_io import AtomicCheckpointIO
from lightning_autobalance.training.hyperparameters import is_plain, under_cli
from lightning_autobalance.utils.malloc import keep_freed_memory
from lightning_autobalance.variants import MeanSquares, Variant

CHECKPOINT_KEY = "lightning_autobalance"
OptimizerCallable = Callable[[Iterable[Tensor]], Optimizer]
LRSchedulerCallable = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]


class PINNModule(NeuralField):
    """A physics-informed neural network: subclass it, give it a domain and residuals, and train it with any Trainer.

    Every loss term gets its own gradient; ``AutoAdamW`` (post-combine) gives each its own optimizer state, any other
    torch optimizer steps along the gradient that ``balancer`` makes of them (pre-combine).

    Args:
        net: The network u(x; w), (b, d) to (b, k). By default an ``MLP`` with three hidden layers of 50 tanh units.
        optimizer: Makes the optimizer from the parameters. ``AutoAdamW`` by default.
        scheduler: Makes the learning rate schedule from the optimizer.
        scheduler_interval: Step the schedule after every optimizer step or after every epoch.
        monitor: The logged value that a ``ReduceLROnPlateau`` watches; it steps after every epoch.
        balancer: Weighting of the terms, or aggregator of their gradients, for optimizers that are not post-combine.
            The plain sum by default.
        variant: Turns residuals into losses. Mean squares by default.
        weights: Fixed factor of a term's loss (the papers' lambda) by the term's name; 1 where nothing is said.
            Under post-combine they cancel.
        gradient_clip_val: Scale the gradient of each term down to this norm.
        skip_non_finite: How many steps in a row may be left out because a loss or a gradient is not finite; they are
            counted. 0 stops at the first. Of use only where the next step sees other points.
        steps_per_call: Optimizer steps per ``training_step``: spreads the cost of Lightning's loop over several steps.
        derivatives: Forward Taylor mode, nested reverse mode, or the first where the network allows it.
        compile: Compile the passes of a step, from points to the terms' gradients: true, or one of torch's compile
            modes, such as ``reduce-overhead``, which uses CUDA graphs on a GPU. On a CPU it needs a C++ compiler. If
            compilation fails, a warning says why and the run goes on uncompiled.
        cuda_graph: Removed, kept so that older configurations and checkpoints with ``cuda_graph: false`` still load.
            Use ``compile: reduce-overhead``.
        check_exact: Before training, check that the residuals of the exact solution vanish.

    Raises:
        ValueError: If a number is out of its range, `compile` is no mode of torch's, or `cuda_graph` is true.
    """

    measured: tuple[str, ...] = ()
    """Terms that compare with noisy measurements: the check of the exact solution leaves them out."""
    true_parameters: Mapping[str, float] = {}
    """True values of unknown parameters, by name: the check of the exact solution puts them in."""

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
        compile: bool | str = False,  # noqa: A002  torch's name for it
        cuda_graph: bool = False,
        check_exact: bool = True,
    ) -> None:
        super().__init__(net, derivatives)
        check_compile(compile, cuda_graph)
        if not isinstance(steps_per_call, int) or steps_per_call < 1:
            raise ValueError(f"`steps_per_call` must be a whole number >= 1, got {steps_per_call}.")
        if not isinstance(skip_non_finite, int) or skip_non_finite < 0:
            raise ValueError(f"`skip_non_finite` must be a whole number >= 0, got {skip_non_finite}.")
        if optimizer is not None:
            check_optimizer_argument(optimizer)
        if gradient_clip_val is not None and not gradient_clip_val > 0:
            raise ValueError(f"`gradient_clip_val` must be > 0, got {gradient_clip_val}. Leave it out not to clip.")
        for term, weight in (weights or {}).items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"`weights` of {term!r} must be finite and >= 0, got {weight}.")
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
        self.guard = StepGuard(skip_non_finite)
        self.steps_per_call = steps_per_call
        self.check_exact = check_exact
        self.terms: tuple[str, ...] = ()
        self.val_metrics = solution_metrics("val/")
        self.test_metrics = solution_metrics("test/")
        self.logs_this_step = False
        self.latest: dict[str, float] = {}
        self._recorded: dict[str, Tensor] = {}
        self.passes = Passes(compile)
        self.variant_prepared = False
        self._ready = False

    # What a subclass says -------------------------------------------------------------------------------------------

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The residual of each term at its points; every PDE writes this.

        Args:
            points: The collocation points by part of the domain, each (b, d).

        Returns:
            By term's name, (b,) or (b, k).
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `residuals(self, points)`.")

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One scalar per term: by default the variant's, of the residuals.

        Args:
            points: The collocation points by part of the domain, each (b, d).
        """
        return variation.losses(self, points)

    @property
    def has_own_losses(self) -> bool:
        """Whether the subclass makes its losses itself, in place of the variant."""
        return type(self).losses is not PINNModule.losses

    # Optimizer and schedule -----------------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """Build the optimizer and, where one is named, its schedule."""
        try:
            optimizer = self.optimizer(p for p in self.parameters() if p.requires_grad)
            check_combination(optimizer, self.balancer, self.terms)
            if self.scheduler is None:
                return optimizer
            return schedulers.configuration(optimizer, self.scheduler(optimizer), self.scheduler_interval)
        except ValueError as error:  # of the optimizer or the schedule: a value that the configuration gave
            raise MisconfigurationException(str(error)) from error

    def _get_ready(self, optimizer: Optimizer) -> None:
        """What a subclass may have skipped by overriding a hook without ``super()``, in time for the first step."""
        if not any(isinstance(callback, schedulers.EpochSchedules) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            raise MisconfigurationException(
                f"`configure_callbacks` of {type(self).__name__} must add its callbacks to those of "
                "`super().configure_callbacks()`, got an override that leaves them out."
            )
        if not self.terms:
            check_module(self)
        check_combination(optimizer, self.balancer, self.terms)
        if self.balancer is None and not isinstance(optimizer, PostCombine):
            self.balancer = EqualWeights()
        self._ready = True

    # The training step ----------------------------------------------------------------------------------------------

    def training_step(self, batch: Mapping[str, Tensor] | Draws, batch_idx: int) -> None:  # noqa: ARG002
        """Take optimizer steps up to the next multiple of ``steps_per_call``, but none past ``max_steps``."""
        done, limit = self.trainer.global_step, self.trainer.max_steps
        for step in range(done, (done // self.steps_per_call + 1) * self.steps_per_call):
            if 0 <= limit <= step:
                break
            self._step(batch, step)
        if 0 <= limit <= self.trainer.global_step:
            gradients.check_weights(self, self.trainer.global_step)
            self.trainer.should_stop = True  # makes Lightning validate the final state, also in mid-epoch

    def _step(self, batch: Mapping[str, Tensor] | Draws, step: int) -> None:
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        self.logs_this_step = every > 0 and step % every == 0
        optimizer = self.optimizers()
        if not isinstance(optimizer, Optimizer):
            raise MisconfigurationException(f"`PINNModule` steps one optimizer, got {optimizer!r}.")
        if not self._ready:
            self._get_ready(self.trainer.optimizers[0])
        params = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        values = self._set_gradients(points_of(batch, step), params, step)
        if values is not None:
            optimizer.step()
        else:
            schedulers.count_only(optimizer)
        gradients.forget(params)
        if self.logs_this_step and values is not None:
            self._record_losses(values, float(optimizer.param_groups[0]["lr"]))
            self._log(step)
        schedulers.step(self.trainer, "step", step + 1, self.monitor)

    def _set_gradients(self, points: Mapping[str, Tensor], params: list[Tensor], step: int) -> Tensor | None:
        values, blocks = reduced(*self.passes(self, points, params, step))
        if not self.guard.passes(self.trainer, self.terms, values, blocks, step):
            return None
        self.hand_over(values, blocks, points, params, step)
        return values

    def hand_over(
        self, values: Tensor, blocks: gradients.Blocks, points: Mapping[str, Tensor], params: list[Tensor], step: int
    ) -> None:
        r"""Lay the terms' gradients where the optimizer finds them, clipped and balanced.

        Args:
            values: The losses, without their fixed weights, (m,).
            blocks: The gradients with them, one (m, \*shape) per parameter.
            points: The data's, by part, each (b, d).
            params: The parameters.
            step: Number of optimizer steps done before.
        """
        if self.gradient_clip_val is not None:
            blocks = gradients.clipped(blocks, self.gradient_clip_val)
        gradients.put(params, blocks)
        if self.variant.watches_gradients:
            self.variant.observe(gradients.taken(params))
        if self.balancer is not None:
            gradients.balance(
                self.balancer,
                params,
                self._view(values, points, params, step),
                pre_combine=not isinstance(self.trainer.optimizers[0], PostCombine),
            )

    def weighted(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses times their fixed weights.

        Args:
            losses: By term.
        """
        return {term: self.weights[term] * loss if term in self.weights else loss for term, loss in losses.items()}

    def _view(self, values: Tensor, points: Mapping[str, Tensor], params: Sequence[Tensor], step: int) -> StepView:
        weighted = self.weighted(dict(zip(self.terms, values, strict=True)))
        values = torch.stack(list(weighted.values()))
        return StepView(step, self.terms, values, gradients.taken(params), partial(kernel_diagonals, self, points))

    def take_terms(self, losses: Mapping[str, Tensor]) -> None:
        """Note the names of the terms, which must stay.

        Args:
            losses: By term.

        Raises:
            MisconfigurationException: If they were others before.
        """
        if tuple(losses) == self.terms:
            return
        if self.terms:
            raise MisconfigurationException(
                f"`residuals` must give the same terms in every step, {list(self.terms)}, got {list(losses)}."
            )
        self.terms = tuple(losses)

    # Logging --------------------------------------------------------------------------------------------------------

    def record(self, name: str, value: Tensor) -> None:
        """Keep a 0-dim tensor for the log line of this step; only on steps where ``logs_this_step``.

        Args:
            name: Its key, such as ``balance/grad_norm/pde``.
            value: Stays on its device until the line is written.
        """
        self._recorded[name] = value.detach()

    def _record_losses(self, values: Tensor, lr: float) -> None:
        for term, value in zip(self.terms, values, strict=True):
            self.record(f"loss/{term}", value)
        self.record("lr", torch.tensor(lr, device=values.device))
        if self.guard.skipped:
            self.record("skipped", torch.tensor(float(self.guard.skipped), device=values.device))
        for name, number in self.variant.numbers().items():
            self.record(f"variant/{name}", number)

    def _log(self, step: int) -> None:
        numbers = torch.stack([v.to(self.device, torch.float32) for v in self._recorded.values()]).cpu()
        self.latest = dict(zip(self._recorded, numbers.tolist(), strict=True))
        self._recorded = {}
        for logger in self.trainer.loggers:
            logger.log_metrics(self.latest, step=step)
        losses = {name: v for name, v in zip(self.latest, numbers, strict=True) if name.startswith("loss/")}
        self.trainer.callback_metrics.update(losses)  # so that EarlyStopping and ModelCheckpoint can watch them

    # Evaluation -----------------------------------------------------------------------------------------------------

    def validation_step(self, batch: Points | dict[str, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Compare with the exact solution on a batch of the grid, (b, d), or take losses on held-out points."""
        self._evaluate("val/", self.val_metrics, batch)

    def test_step(self, batch: Points | dict[str, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Compare with the exact solution on a batch of the grid, (b, d), or take losses on held-out points."""
        self._evaluate("test/", self.test_metrics, batch)

    def predict_step(self, batch: Points, batch_idx: int) -> Fields:  # noqa: ARG002
        """The fields on a batch of the evaluation grid, (b, d) to (b, k)."""
        fields: Tensor = self(batch)
        return fields

    def _evaluate(self, prefix: str, metrics: MetricCollection, batch: Points | dict[str, Tensor]) -> None:
        if isinstance(batch, Tensor):
            columns = [self.fields.index(name) for name in self.reported or self.fields]
            metrics.update(self(batch)[:, columns].to(batch.dtype), self.exact(batch)[:, columns])
            found: Any = metrics
        else:
            with torch.inference_mode(False), torch.enable_grad():  # residuals may differentiate by themselves
                own = {part: x.clone() for part, x in batch.items()}
                losses = {term: loss.detach() for term, loss in self._plain_losses(own).items()}
            found = {f"{prefix}loss/{term}": loss for term, loss in losses.items()}
            found[f"{prefix}loss"] = torch.stack(list(losses.values())).sum()
        own_sync = isinstance(batch, Tensor)  # metrics reduce themselves
        self.log_dict(found, on_step=False, on_epoch=True, prog_bar=True, batch_size=1, sync_dist=not own_sync)
        if self.steps_per_call > 1 and self.trainer.training and self.trainer.loggers:
            self.log(
                "step", float(self.trainer.global_step), on_epoch=True, sync_dist=True
            )  # Lightning's axis counts calls

    def _plain_losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if self.has_own_losses:
            return self.losses(points)
        # without the variant, whose weights belong to the points of training
        plain: dict[str, Tensor] = MeanSquares()(points, self.residuals(points))
        return plain

    # Checks and checkpoints -----------------------------------------------------------------------------------------

    def configure_callbacks(self) -> list[Any]:
        """Refuse Trainer settings that cannot work, in the earliest hook that knows the Trainer; step the schedules."""
        check_trainer(self.trainer)
        self.trainer.precision_plugin.convert_module(self)  # before a checkpoint is loaded: it would be rounded
        if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # a user's own stays
            self.trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        self._ready = False
        return [schedulers.EpochSchedules(self.monitor), sigterm.SaveOnTermination()]

    def setup(self, stage: str) -> None:
        """Check the module on a few points before anything is trained or written."""
        if stage == "fit":
            if self.device.type == "cpu":
                keep_freed_memory()
            distributed_state.synchronise(self)
            check_module(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note the problem and the terms that the checkpoint belongs to; refuse to save weights that are not finite."""
        gradients.check_weights(self, self.global_step)
        checkpoint[CHECKPOINT_KEY] = {
            "problem": type(self).__qualname__,
            "terms": list(self.terms),
            "variant": type(self.variant).__name__,
            "guard": self.guard.state_dict(),
        }
        distributed_state.gather_state(self.variant, checkpoint["state_dict"])

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another problem or of other terms."""
        check_checkpoint(self, checkpoint, CHECKPOINT_KEY)
        self.guard.load_state_dict(checkpoint.get(CHECKPOINT_KEY, {}).get("guard", self.guard.state_dict()))
        distributed_state.spread_state(self.variant, checkpoint["state_dict"])

    def _save_plain_hyperparameters(self) -> None:
        # Objects would be pickled into the checkpoint, which then no longer loads with `weights_only=True`. Under the
        # CLI the values are the parsed configuration, plain already.
        self.save_hyperparameters(ignore=["net", "balancer", "variant"] if not under_cli() else None, logger=True)
        for name in [name for name, value in self.hparams.items() if not is_plain(value)]:
            del self.hparams[name]
        self._hparams_initial = dict(self.hparams)
