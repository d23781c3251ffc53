"""The finish of a run within Lightning: its steps count and are logged like others, and it may end the run early."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.trainer.call import _call_callback_hooks
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from lightning_autobalance import step as stages
from lightning_autobalance.optim.finish import Finisher
from lightning_autobalance.shapes import Losses
from lightning_autobalance.utils.distributed import max_over_ranks


class EndOfRun:
    """Ends a run before its last step, and remembers why.

    Args:
        noise: By measured term, the standard deviation of its noise.
        weights: Fixed weights by term; 1 where a term has none.
        measured: Likewise, of the data; ``noise`` goes first.

    Attributes:
        given: ``noise`` alone.
        reason: Why the run ended; empty if it did not.
    """

    def __init__(
        self, noise: Mapping[str, float], weights: Mapping[str, float], measured: Mapping[str, float] | None = None
    ) -> None:
        self.given = noise
        self.noise = {**(measured or {}), **noise}
        self.weights = weights
        self.reason = ""

    def at_noise(self, terms: Sequence[str], losses: Losses) -> str:
        """The reason to end by the discrepancy principle, else nothing.

        From there on a fit follows the noise: the root mean square of every measured residual has come down to its
        noise, and the other terms together weigh no more than the measured ones.

        Args:
            terms: Names of the m loss terms.
            losses: Their losses, (m,).
        """
        if not self.noise:
            return ""
        found = dict(zip(terms, losses.tolist(), strict=True))
        weighted = {term: self.weights.get(term, 1.0) * loss for term, loss in found.items()}
        measured = sum(weighted[term] for term in self.noise)
        above = any(found[term] > std**2 for term, std in self.noise.items())
        if above or sum(weighted.values()) > 2 * measured:
            return ""
        return f"the residuals of {', '.join(self.noise)} have come down to their noise (`stop_at_noise`)"

    def end(self, trainer: Trainer, reason: str) -> None:
        """Let Lightning end the run after this step; nothing without a reason."""
        if reason and not self.reason:
            self.reason = reason
            rank_zero_info(f"The run ends after step {trainer.global_step}: {reason}.")
        trainer.should_stop = trainer.should_stop or bool(reason)


class FinishPhase:
    """The steps of a finisher in a run, if it has one.

    Args:
        finisher: A `Finisher`, which takes the last steps; None for none.

    Raises:
        TypeError: If it is something else.
    """

    def __init__(self, finisher: Any) -> None:
        if finisher is not None and not isinstance(finisher, Finisher):
            raise TypeError(f"`finish` must be a finisher, such as LevenbergMarquardt(steps=80), got {finisher!r}.")
        self.stage = None if finisher is None else stages.FinishStage(finisher)

    def is_due(self, step: int, trainer: Trainer) -> bool:
        """Whether a step is the finisher's."""
        return self.stage is not None and self.stage.is_due(step, trainer.max_steps)

    def step(
        self,
        module: Any,
        losses: stages.LossStage,
        points: Mapping[str, Tensor],
        params: Sequence[Tensor],
        step: int,
    ) -> tuple[stages.TermGradients, Tensor]:
        """Take one step, and end the run where nothing more can be gained.

        Args:
            module: The `PINNModule`, which owns the parameters.
            losses: Stage 1.
            points: The data's, by part, each (b, d).
            params: The trained parameters.
            step: Number of the step.

        Returns:
            The losses of the terms before it, without gradients, and whether any process wants to stop.
        """
        if self.stage is None:
            raise MisconfigurationException("`finish` must be given to take its step, got none.")
        if module.logs_this_step:
            self._show_gradients(module, losses, points, params, step)
        found = self.stage(module, losses, points, params, weights=module.weights, step=step)
        terms, values = tuple(self.stage.losses), torch.stack(list(self.stage.losses.values()))
        if module.logs_this_step:
            for name, number in {**found.numbers, "accepted": float(found.accepted)}.items():
                module.record(f"finish/{name}", torch.tensor(number))
        module.end_of_run.end(module.trainer, found.stop or module.end_of_run.at_noise(terms, values))
        stop = max_over_ranks(torch.tensor(float(module._termination.received), device=module.device)) > 0
        return stages.TermGradients(terms, values, ()), stop

    def _show_gradients(
        self, module: Any, losses: stages.LossStage, points: Any, params: Sequence[Tensor], step: int
    ) -> None:
        """Let callbacks see the terms' gradients on the parameters, as before a step of an optimizer."""
        mine = stages.term_gradients_at(losses, losses.begin_fixed(points, step), params, module.weights)
        gradients, _ = stages.reduce_over_ranks(mine)
        stages.lay(params, gradients.blocks)
        trainer = module.trainer
        _call_callback_hooks(trainer, "on_before_optimizer_step", trainer.optimizers[0])
        stages.clear(params)

    def state_dict(self) -> dict[str, Any]:
        """Of the stage; empty before the finish."""
        return {} if self.stage is None else self.stage.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            MisconfigurationException: If it is one of another finisher.
        """
        if not state:
            return
        mine = "none" if self.stage is None else type(self.stage.finisher).__name__
        if self.stage is None or state["kind"] != mine:
            raise MisconfigurationException(
                f"`finish` must be as in the checkpoint, which was saved in the steps of {state['kind']}, got {mine}. "
                "Name that one, or start a new run from the weights alone."
            )
        self.stage.load_state_dict(state)
