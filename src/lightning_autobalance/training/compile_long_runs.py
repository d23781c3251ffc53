"""``compile: auto``: a long run is compiled, others are not, and a resumed run goes on as it was."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from lightning_autobalance.step import TermGradientStage
from lightning_autobalance.training.compile_rule import facts, has_compiler, why_not
from lightning_autobalance.utils.distributed import max_over_ranks


class CompileLongRuns(Callback):
    """Decides before the first step whether a module with ``compile: auto`` is compiled.

    The decision depends on nothing that is measured, so that the same run is always decided alike, in all processes.
    Checkpoints hold it: a run that goes on from one is compiled if that was, and is not if that was not and is to take
    as many steps as before.
    """

    def __init__(self) -> None:
        self._stage: TermGradientStage | None = None
        self._steps = 0.0
        self._loaded: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Decide, and say so if it is compiled."""
        stage: TermGradientStage = pl_module.gradient_stage  # type: ignore[assignment]
        loaded, self._loaded = self._loaded, {}
        if not stage.is_automatic:
            return
        run = facts(trainer, pl_module)
        self._stage, self._steps = stage, run.steps
        if loaded.get("compiled"):
            wanted = has_compiler(run.device)
        else:
            wanted = loaded.get("steps") != run.steps and not why_not(run)
        if max_over_ranks(torch.tensor(float(not wanted), device=pl_module.device)) > 0:
            stage.leave_uncompiled()
            return
        rank_zero_info(
            f"`compile: auto` compiles the step, for a run of {run.steps:,.0f} steps. That may take a minute, once; "
            "`compile: false` leaves it out."
        )
        stage.compile_if_possible(tell)

    def state_dict(self) -> dict[str, Any]:
        """Whether steps are compiled, and the length of the run; nothing where that is not decided here."""
        if self._stage is None:
            return {}
        return {"compiled": self._stage.is_compiled, "steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the decision of a checkpoint until training starts."""
        self._loaded = state_dict


def tell(message: str) -> None:
    """Say what became of compiling, in one process.

    Args:
        message: The text.
    """
    rank_zero_info(f"`compile: auto`: {message}")
