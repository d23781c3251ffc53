"""The course of a run in one figure: losses and errors over steps."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_autobalance.callbacks.figures import new_figure, save_figure
from lightning_autobalance.module import PINNModule
from lightning_autobalance.training.due_steps import next_logged_step

MOST = 2000  # numbers kept of a curve
Curves = dict[str, list[tuple[int, float]]]


class HistoryPlotter(Callback):
    """Draws ``plots/history.png`` at the end of ``fit``: losses and errors over steps, on a logarithmic axis.

    The numbers are those that are logged, with any logger and without one. They lie in the checkpoint, so that the
    curve of a resumed run begins where the first run did. Of long runs an even choice is drawn. The steps of a finish
    have a background of their own.
    """

    def __init__(self) -> None:
        self.curves: Curves = {}
        self._every = 1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Begin anew; the curves of a checkpoint are loaded afterwards."""
        if stage == "fit":
            self._every = trainer.log_every_n_steps  # type: ignore[attr-defined]
            self.curves = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Keep the losses of a logged step, which the host knows by then."""
        if isinstance(pl_module, PINNModule) and pl_module.logs_this_step:
            losses = {name: value for name, value in pl_module.latest.items() if name.startswith("loss/")}
            self._add(trainer.global_step - 1, losses)

    def next_due_step(self, step: int) -> int | None:
        """The next logged step; None if no step is logged."""
        return next_logged_step(step, self._every)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep the errors of a validation."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            metrics = trainer.callback_metrics.items()
            self._add(trainer.global_step, {name: float(x) for name, x in metrics if name.startswith("val/")})

    @rank_zero_only
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw."""
        if isinstance(pl_module, PINNModule) and not trainer.fast_dev_run and self.curves:  # type: ignore[attr-defined]
            stage = pl_module.finish_phase.stage
            began = None if stage is None else stage.began_at
            title = f"{type(pl_module).__name__}, step {trainer.global_step}"
            figure = draw_history(self.curves, title, began)
            save_figure(trainer, figure, "plots", "history", "history", numbered=False)

    def state_dict(self) -> dict[str, Any]:
        """The curves so far, for the checkpoint."""
        return {"curves": {name: [list(each) for each in curve] for name, curve in self.curves.items()}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the curves of a checkpoint."""
        self.curves = {name: [(step, x) for step, x in curve] for name, curve in state_dict["curves"].items()}

    def _add(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            curve = self.curves.setdefault(name, [])
            if curve and curve[-1][0] >= step:  # a second validation of the same state
                continue
            curve.append((step, number))
            if len(curve) > MOST:
                self.curves[name] = _thinned(curve)


def _thinned(curve: list[tuple[int, float]]) -> list[tuple[int, float]]:
    gap = 2 * (curve[-1][0] - curve[0][0]) / MOST
    kept = curve[:1]
    for step, number in curve[1:-1]:
        if step >= kept[-1][0] + gap:
            kept.append((step, number))
    return [*kept, curve[-1]]


def draw_history(curves: Mapping[str, list[tuple[int, float]]], title: str, finish: int | None = None) -> Figure:
    """Losses on the left, and what validation has found on the right.

    Args:
        curves: Steps and numbers by name, ``loss/...`` and ``val/...``.
        title: Of the figure.
        finish: Step at which the finish began, if there was one.
    """
    groups = {"losses": "loss/", "validation": "val/"}
    shown = {group: {k: v for k, v in curves.items() if k.startswith(start)} for group, start in groups.items()}
    shown = {group: each for group, each in shown.items() if each}
    figure = new_figure(5.2 * len(shown), 3.8)
    for axis, (group, own) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        _draw_curves(axis, own, groups[group])
        if finish is not None:
            last = max(step for curve in own.values() for step, _ in curve)
            axis.axvspan(finish, max(last, finish + 1), color="0.88", zorder=0, label="finish")
        axis.set_title(group)
        axis.set_xlabel("step")
        axis.legend(fontsize="small")
    figure.suptitle(title)
    return figure


def _draw_curves(axis: Axes, curves: Mapping[str, list[tuple[int, float]]], prefix: str) -> None:
    for name, curve in curves.items():
        positive = [(step, x) for step, x in curve if isfinite(x) and x > 0]  # the others have no logarithm
        steps, values = [step for step, _ in positive], [x for _, x in positive]
        marker = "." if len(positive) < 30 else ""
        axis.plot(steps, values, marker=marker, linewidth=1.2, label=name.removeprefix(prefix))
    axis.set_yscale("log")
    axis.grid(visible=True, alpha=0.3)
