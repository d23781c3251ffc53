"""The unknown parameters of an equation over the run."""

from collections.abc import Mapping
from math import ceil, isnan, nan
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.figure import Figure
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance.callbacks.figures import new_figure, save_figure
from lightning_autobalance.module import PINNModule
from lightning_autobalance.training.unknowns import unknowns

LAST = 0.1  # share of the run over which the spread is taken, or less


class UnknownParameters(Callback):
    """Logs the unknown parameters of an equation, and plots their trajectories at the end of ``fit``.

    They are found by themselves: every ``nn.Parameter`` of the module itself, outside its networks, and every
    `Bounded`, in its own unit. The keys are ``unknown/<name>``; the figure is ``plots/parameters_step<n>.png``. The
    attribute ``history`` holds their values on the logged steps and on all of a finish, by name.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self._values: dict[str, list[Tensor]] = {}  # on the device, until they are asked for

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Forget an earlier run; what a checkpoint holds is loaded afterwards."""
        if stage == "fit":
            self.steps, self._values = [], {}

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:  # noqa: ARG002
        """Record them, on logged steps."""
        if isinstance(pl_module, PINNModule) and pl_module.logs_this_step:
            for name, value in self._add(trainer, pl_module).items():
                pl_module.record(f"unknown/{name}", value)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Keep every step of a finish, which has few."""
        if isinstance(pl_module, PINNModule) and pl_module.finish_phase.is_due(trainer.global_step - 1, trainer):
            self._add(trainer, pl_module)

    def next_due_step(self, step: int) -> int | None:  # noqa: ARG002
        """None: a finish has a call for each step anyway."""
        return None

    @rank_zero_only
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Plot them."""
        if self._add(trainer, pl_module) and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            known = getattr(pl_module, "true_parameters", {})
            save_figure(trainer, draw(self.steps, self.history, known), "plots", "parameters", "unknown/parameters")

    @property
    def history(self) -> dict[str, list[float]]:
        """Values by name, on ``steps``."""
        return {name: torch.stack([x.cpu() for x in values]).tolist() for name, values in self._values.items()}

    def spread(self, name: str, since: float) -> float:
        """Standard deviation over the end of the run; NaN with fewer than three values there.

        Args:
            name: Of the parameter.
            since: The step from which values count.
        """
        last = [value for step, value in zip(self.steps, self.history[name], strict=True) if step >= since]
        return float(torch.tensor(last, dtype=torch.float64).std()) if len(last) > 2 else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """The history so far."""
        return {"steps": list(self.steps), "values": self.history}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore it."""
        self.steps = list(state_dict["steps"])
        self._values = {name: [torch.tensor(x) for x in values] for name, values in state_dict["values"].items()}

    def _add(self, trainer: Trainer, module: LightningModule) -> dict[str, Tensor]:
        found = unknowns(module)
        if found and trainer.global_step not in self.steps[-1:]:
            self.steps.append(trainer.global_step)
            for name, value in found.items():
                self._values.setdefault(name, []).append(value)
        return found


def unknown_rows(trainer: Trainer, module: PINNModule) -> dict[str, str]:
    """By name, the value of each unknown for a table, with its spread where a callback has watched it.

    The spread is that of the last tenth of the run, or of the second half of a finish if that is shorter: how much the
    number still moves, which is at least a part of how uncertain it is.

    Args:
        trainer: At the end of ``fit``.
        module: The module it trained.
    """
    watcher = next((each for each in trainer.callbacks if isinstance(each, UnknownParameters)), None)  # type: ignore[attr-defined]
    began = 0 if (stage := module.finish_phase.stage) is None else stage.began_at or 0
    since = ceil(max((1 - LAST) * trainer.global_step, (began + trainer.global_step) / 2 if began else 0))
    rows = {}
    for name, value in unknowns(module).items():
        spread = nan if watcher is None or name not in watcher.history else watcher.spread(name, since)
        rows[name] = f"{float(value):.6g}" + ("" if isnan(spread) else f" ± {spread:.1g} since step {since:,}")
    return rows


def draw(steps: list[int], history: Mapping[str, list[float]], known: Mapping[str, float] | None = None) -> Figure:
    """One panel per parameter: its value by step, beside the true one where that is known.

    Args:
        steps: Of the values.
        history: Values by name.
        known: True values by name.
    """
    known = known or {}
    figure = new_figure(6.4, 1.0 + 1.6 * len(history))
    axes = figure.subplots(len(history), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, values) in zip(axes, history.items(), strict=True):
        axis.plot(steps, values)
        axis.set_ylabel(name)
        true = f", true {known[name]:.6g}" if name in known else ""
        if true:
            axis.axhline(known[name], color="0.5", linestyle="--", linewidth=1)
        axis.set_title(f"{values[-1]:.6g} at the end{true}", fontsize="small", loc="right")
    axes[-1].set_xlabel("step")
    return figure
