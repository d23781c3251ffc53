"""Hessian spectra of the loss terms at chosen steps of a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only
from torch import Tensor

from lightning_autobalance.callbacks.figures import run_folder, save_figure
from lightning_autobalance.callbacks.hessian_figure import draw_spectra
from lightning_autobalance.callbacks.preconditioners import is_known
from lightning_autobalance.callbacks.term_spectra import Spectra, term_spectra, weighted_losses
from lightning_autobalance.jacobian import effective_condition_number
from lightning_autobalance.module import PINNModule
from lightning_autobalance.utils.arguments import check_at_least, check_interval


class HessianSpectrum(Callback):
    r"""Logs eigenvalues and condition numbers of each term's Hessian at chosen steps, plain and preconditioned.

    The preconditioner is the state of the run's own optimizer: ``AutoAdamW``, ``AutoAdam`` and ``AutoBalance`` around
    Adam have one :math:`D_i = \mathrm{diag}(\sqrt{\hat v_i} + \epsilon)` per term ("autobalance"), torch's Adam and
    AdamW share one among all terms ("adam"). There is none before the first step, nor with other optimizers. Comparing
    the two takes two runs, as in the paper.

    The keys are ``hessian/<kind>/<term>/lambda_max``, ``lambda_min`` and ``condition``, where kind is "plain",
    "autobalance" or "adam", and the term may be ``sum_of_terms``; see `effective_condition_number`. All eigenvalues and
    their weights are written to ``hessian/spectrum_step<n>.npz`` in the run's folder, a figure to
    ``hessian/spectrum_step<n>.png``, which is also sent to the loggers. A resumed run continues the curve of condition
    numbers.

    The Hessians are taken at the points of the latest step. Neither the parameters nor any random state changes.

    Args:
        steps: Optimizer steps after which to compute the spectra; 0 is the initial state. By default 0 and the end of
            ``fit``.
        every_n_epochs: Compute them also at the end of every n-th epoch; 0 for none.
        exact_up_to: Largest number of parameters for which eigenvalues are exact. They take one Hessian-vector product
            per parameter and term: some 5 to 40 ms each for networks of 1000 parameters and thousands of points.
        lanczos_steps: Hessian-vector products per start vector of the Lanczos iteration, used for more parameters.
        probes: Number of start vectors.
        cutoff: Define the condition number by the smallest eigenvalue above this fraction of the largest, in [0, 1). By
            default, by the mean absolute eigenvalue.
        double: Compute in float64, whatever the run's precision. Turn it off if the residuals use tensors that are not
            buffers and cannot be mixed with float64.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        The AutoBalance paper, section 3.2 and figure 1, which names no method.
    """

    def __init__(
        self,
        steps: list[int] | None = None,
        every_n_epochs: int = 0,
        exact_up_to: int = 1000,
        lanczos_steps: int = 100,
        probes: int = 1,
        cutoff: float | None = None,
        double: bool = True,
    ) -> None:
        self.steps = sorted(steps) if steps is not None else [0]
        self.at_end = steps is None
        self.every_n_epochs = every_n_epochs
        self.exact_up_to = exact_up_to
        self.lanczos_steps = lanczos_steps
        self.probes = probes
        self.cutoff = cutoff
        self.double = double
        _check_arguments(self)
        self.history: dict[int, dict[str, float]] = {}
        self._handled_up_to = -1  # chosen steps up to this one are done
        self._points: Mapping[str, Tensor] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Reset the history; that of a checkpoint is loaded afterwards."""
        if stage == "fit":
            self.history, self._points = {}, None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the module; skip the steps that were taken before this ``fit``."""
        if not isinstance(pl_module, PINNModule):
            raise MisconfigurationException(
                f"`HessianSpectrum` must watch a `PINNModule`, got {type(pl_module).__name__}."
            )
        self._handled_up_to = trainer.global_step - 1
        name = type(trainer.optimizers[0]).__name__
        if not is_known(trainer.optimizers[0]):
            rank_zero_info(f"HessianSpectrum shows plain Hessians only: {name} has no diagonal that could be read.")

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: dict[str, Tensor],
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Before the first step, check that the losses can be computed on copies, and handle step 0."""
        if self._points is None:
            self._points = batch
            _check_losses(pl_module, batch, self.double)
            self._compute_if_due(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: dict[str, Tensor],
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Compute the spectra if this step was chosen."""
        self._points = batch
        self._compute_if_due(trainer, pl_module)

    def next_due_step(self, step: int) -> int | None:
        """The step from ``step`` on after which spectra are computed next; a call of several steps ends before it.

        Args:
            step: Number of optimizer steps taken.
        """
        return min((chosen - 1 for chosen in self.steps if chosen > step), default=None)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the spectra at the end of every n-th epoch."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._compute(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the spectra of the final state, by default."""
        if self.at_end:
            self._compute(trainer, pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Release the points."""
        self._points = None

    def state_dict(self) -> dict[str, Any]:
        """What was logged so far, by step."""
        return {"history": {step: dict(logged) for step, logged in self.history.items()}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the history of a checkpoint."""
        self.history = {step: dict(logged) for step, logged in state_dict["history"].items()}

    def _compute_if_due(self, trainer: Trainer, module: LightningModule) -> None:
        step = trainer.global_step
        due = any(self._handled_up_to < chosen <= step for chosen in self.steps)
        self._handled_up_to = step
        if due:
            self._compute(trainer, module)

    @rank_zero_only
    def _compute(self, trainer: Trainer, module: LightningModule) -> None:
        step, points = trainer.global_step, self._points
        if not isinstance(module, PINNModule) or points is None or step in self.history or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        spectra = term_spectra(
            module,
            points,
            trainer.optimizers[0],
            exact_up_to=self.exact_up_to,
            steps=self.lanczos_steps,
            probes=self.probes,
            double=self.double,
        )
        self.history[step] = summarize(spectra, self.cutoff)
        for logger in trainer.loggers:
            logger.log_metrics(self.history[step], step=step)
        _save(trainer, spectra)
        title = f"{type(module).__name__} with {type(trainer.optimizers[0]).__name__}, step {step}"
        save_figure(
            trainer, draw_spectra(spectra, self.history, title, self.cutoff), "hessian", "spectrum", "hessian/spectrum"
        )


def summarize(spectra: Spectra, cutoff: float | None = None) -> dict[str, float]:
    """Extreme eigenvalues and condition numbers, by log key such as ``hessian/plain/pde/lambda_max``.

    Args:
        spectra: By kind, then by term.
        cutoff: See `effective_condition_number`.
    """
    logged = {}
    for kind, terms in spectra.items():
        for term, spectrum in terms.items():
            key = f"hessian/{kind}/{term}"
            logged[f"{key}/lambda_max"] = float(spectrum.eigenvalues[-1])
            logged[f"{key}/lambda_min"] = float(spectrum.eigenvalues[0])
            logged[f"{key}/condition"] = effective_condition_number(spectrum, cutoff)
    return logged


def _check_arguments(callback: HessianSpectrum) -> None:
    for step in callback.steps:
        check_at_least("steps", step, 0)
    for name, low in {"every_n_epochs": 0, "exact_up_to": 0, "lanczos_steps": 1, "probes": 1}.items():
        check_at_least(name, getattr(callback, name), low)
    if callback.cutoff is not None:
        check_interval("cutoff", callback.cutoff, 0, 1)


def _check_losses(module: LightningModule, points: Mapping[str, Tensor], double: bool) -> None:
    if not isinstance(module, PINNModule):
        return
    try:
        weighted_losses(module, points, list(module.parameters()), double=double)
    except RuntimeError as error:
        raise MisconfigurationException(
            f"`losses` of {type(module).__name__} must be computable on a copy of the parameters"
            f"{' in float64' if double else ''}, got: {error} Hold tensors that residuals use in buffers "
            "(`register_buffer`), or give `HessianSpectrum(double=False)`."
        ) from error


def _save(trainer: Trainer, spectra: Spectra) -> None:
    path = run_folder(trainer) / "hessian" / f"spectrum_step{trainer.global_step}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {}
    for kind, terms in spectra.items():
        for term, spectrum in terms.items():
            arrays[f"{kind}/{term}/eigenvalues"] = spectrum.eigenvalues.cpu().numpy()
            arrays[f"{kind}/{term}/weights"] = spectrum.weights.cpu().numpy()
    np.savez(path, **arrays)
