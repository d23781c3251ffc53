"""Spectra of the terms' Hessians at chosen steps of a run."""

from collections.abc import Callable, Mapping
from functools import partial
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
from lightning_autobalance.points import Draws, points_of


class HessianSpectrum(Callback):
    r"""Eigenvalues of each term's Hessian at chosen steps, plain and preconditioned, and condition numbers.

    Preconditioned means by the state of the run's own optimizer: ``AutoAdamW``, ``AutoAdam`` and ``AutoBalance`` around
    Adam have one :math:`D_i = \mathrm{diag}(\sqrt{\hat v_i} + \epsilon)` per term ("autobalance"), torch's Adam and
    AdamW one for all ("adam"). Before the first step there is none, nor with other optimizers. To compare the two, make
    two runs, as the paper does.

    Logs ``hessian/<kind>/<term>/lambda_max``, ``lambda_min`` and ``condition``, where kind is "plain", "autobalance" or
    "adam", and the term may be ``sum_of_terms``; see `effective_condition_number`. The run's folder gets
    ``hessian/spectrum_step<n>.npz`` with all eigenvalues and their weights and ``hessian/spectrum_step<n>.png``, which
    also goes to the loggers. The curve of condition numbers goes on in a resumed run.

    The points are those of the step just taken, or of the first. Training is not touched: not its numbers, not its
    random states.

    Args:
        steps: Optimizer steps after which to look; 0 is the initial state. By default 0 and the end of ``fit``. Inside
            a call of several steps (``steps_per_call``) the look comes after the call.
        every_n_epochs: Look after every so many epochs, too; 0 does not.
        exact_up_to: The largest number of parameters with exact eigenvalues. They take one Hessian-vector product per
            parameter and term: some 5 to 40 ms each for networks of 1000 parameters and thousands of points.
        lanczos_steps: Products for each start vector where there are more parameters.
        probes: Number of start vectors.
        cutoff: Divide the largest eigenvalue by the smallest one above so large a share of it, not by their mean.
        double: Compute in float64 whatever the run's precision. Turn it off where residuals hold tensors that are no
            buffers and cannot be mixed with float64.

    Raises:
        ValueError: If a number is out of its range.

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
        _check(self)
        self.history: dict[int, dict[str, float]] = {}
        self._seen = -1  # optimizer steps up to which no chosen step is left
        self._points: Callable[[], Mapping[str, Tensor]] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Start anew; a checkpoint is loaded later."""
        if stage == "fit":
            self.history, self._points = {}, None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse another kind of module; leave out steps taken before there was this callback."""
        if not isinstance(pl_module, PINNModule):
            raise MisconfigurationException(
                f"`HessianSpectrum` must watch a `PINNModule`, got {type(pl_module).__name__}."
            )
        self._seen = trainer.global_step - 1
        name = type(trainer.optimizers[0]).__name__
        if not is_known(trainer.optimizers[0]):
            rank_zero_info(f"HessianSpectrum shows plain Hessians only: {name} has no diagonal that could be read.")

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: dict[str, Tensor] | Draws,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Before the first step, see whether the losses can be computed beside training; look at step 0."""
        if self._points is None:
            self._points = partial(points_of, batch, trainer.global_step)
            _try(pl_module, self._points(), self.double)
            self._look_if_due(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: dict[str, Tensor] | Draws,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Look, if this step was chosen."""
        self._points = partial(points_of, batch, trainer.global_step - 1)
        self._look_if_due(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look, if this epoch's turn has come."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._look(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the final state."""
        if self.at_end:
            self._look(trainer, pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Let go of the points."""
        self._points = None

    def state_dict(self) -> dict[str, Any]:
        """The numbers logged so far, by step."""
        return {"history": {step: dict(found) for step, found in self.history.items()}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on with the curve of a checkpoint."""
        self.history = {step: dict(found) for step, found in state_dict["history"].items()}

    def _look_if_due(self, trainer: Trainer, module: LightningModule) -> None:
        step = trainer.global_step
        due = any(self._seen < chosen <= step for chosen in self.steps)
        self._seen = step
        if due:
            self._look(trainer, module)

    @rank_zero_only
    def _look(self, trainer: Trainer, module: LightningModule) -> None:
        step, points = trainer.global_step, self._points
        if not isinstance(module, PINNModule) or points is None or step in self.history or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        spectra = term_spectra(
            module,
            points(),
            trainer.optimizers[0],
            exact_up_to=self.exact_up_to,
            steps=self.lanczos_steps,
            probes=self.probes,
            double=self.double,
        )
        self.history[step] = numbers(spectra, self.cutoff)
        for logger in trainer.loggers:
            logger.log_metrics(self.history[step], step=step)
        _save(trainer, spectra)
        title = f"{type(module).__name__} with {type(trainer.optimizers[0]).__name__}, step {step}"
        save_figure(
            trainer, draw_spectra(spectra, self.history, title, self.cutoff), "hessian", "spectrum", "hessian/spectrum"
        )


def numbers(spectra: Spectra, cutoff: float | None = None) -> dict[str, float]:
    """What is logged of spectra.

    Args:
        spectra: By kind, then by term.
        cutoff: See `effective_condition_number`.

    Returns:
        By key, such as ``hessian/plain/pde/lambda_max``.
    """
    found = {}
    for kind, terms in spectra.items():
        for term, spectrum in terms.items():
            key = f"hessian/{kind}/{term}"
            found[f"{key}/lambda_max"] = float(spectrum.eigenvalues[-1])
            found[f"{key}/lambda_min"] = float(spectrum.eigenvalues[0])
            found[f"{key}/condition"] = effective_condition_number(spectrum, cutoff)
    return found


def _check(callback: HessianSpectrum) -> None:
    for step in callback.steps:
        if step < 0:
            raise ValueError(f"`steps` must be >= 0, got {step}.")
    for name, low in {"every_n_epochs": 0, "exact_up_to": 0, "lanczos_steps": 1, "probes": 1}.items():
        if getattr(callback, name) < low:
            raise ValueError(f"`{name}` must be >= {low}, got {getattr(callback, name)}.")
    if callback.cutoff is not None and not 0.0 <= callback.cutoff < 1.0:
        raise ValueError(f"`cutoff` must be in [0, 1), got {callback.cutoff}.")


def _try(module: LightningModule, points: Mapping[str, Tensor], double: bool) -> None:
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
