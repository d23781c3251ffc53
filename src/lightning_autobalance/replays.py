"""Training steps that are captured once and replayed: a small network's step on a GPU is bound by its launches."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_autobalance import gradients
from lightning_autobalance.capturing import obstacle
from lightning_autobalance.graph_points import Batch
from lightning_autobalance.guard import last_checkpoint
from lightning_autobalance.points import Draws, points_of
from lightning_autobalance.step_graph import StepGraph

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

WARM_UP = 3  # steps before the first capture: libraries and the optimizer set up what they keep
COMPARED = 1000  # replays between two comparisons, beside those after 1, 2, 4, 8, ... and on logged steps


class Replays:
    """Takes a module's training steps by replays of a captured one, except for the first ones and the logged ones.

    A replay is compared with the same step uncaptured before the first one counts, on every logged step, and after
    1, 2, 4, 8, ... and every 1,000 replays. Where a step cannot be captured, or the first comparison fails, a warning
    says why and the run goes on uncaptured; where a later one fails, the run ends.

    Args:
        asked: Whether that is asked for.

    Attributes:
        reason: Why steps are not captured; empty as long as they are.
        replayed: How many steps of the latest run were replays.
    """

    def __init__(self, asked: bool) -> None:
        self.asked = asked
        self.reset()

    def reset(self) -> None:
        """Begin a new run, with nothing captured."""
        self.reason = "" if self.asked else "not asked for"
        self.replayed = 0
        self._warm = 0
        self.release()

    def release(self) -> None:
        """Let go of what is captured, and of its memory."""
        self._graph: StepGraph | None = None
        self._since: int | None = None  # the step before which parameters and state were remembered

    def take(self, module: "PINNModule", batch: Batch, params: Sequence[Tensor], step: int) -> bool:
        """Take a step by a replay, or say that it must be taken as any other.

        Args:
            module: Is trained.
            batch: The data's points.
            params: The parameters.
            step: Number of optimizer steps done before.
        """
        if self.reason:
            return False
        usual = module.logs_this_step or self._warm < WARM_UP or not _rates_are_finite(module.trainer)
        if usual or self._graph is None or self._is_due():
            self.settle(module)  # before parameters are used for anything else
        if self._graph is None:
            self._warm += usual
            return not usual and self._capture(module, batch, params, step) and self._replay(batch, step)
        why = self._graph.changed(batch, params, step) if self._since is None else self._graph.set_otherwise()
        if why:
            self.settle(module)
            self.refuse(why)
            return False
        if module.logs_this_step or self._is_due():
            self._verify(batch, step)
        return not usual and self._replay(batch, step)

    def settle(self, module: "PINNModule") -> None:
        """Make sure that all replays since the last time were finite; reads one number from the device.

        Args:
            module: Is trained.

        Raises:
            NonFiniteError: If one was not. Parameters and state are those before the first of these replays.
        """
        if self._since is None or self._graph is None:
            return
        graph, start, self._since = self._graph, self._since, None
        if bool(graph.finite):
            return
        step, lr = start + int(graph.count), float(module.trainer.optimizers[0].param_groups[0]["lr"])
        error = gradients.non_finite_error(module.terms, graph.values, [graph.norms[:, None]], step=step, lr=lr)
        graph.restore()
        self.release()
        raise gradients.NonFiniteError(
            f"{error} It was one of several captured steps: the weights are those before step {start}. "
            f"{last_checkpoint(module.trainer)}"
        )

    def refuse(self, reason: str) -> None:
        """Go on uncaptured, with a warning the first time.

        Args:
            reason: Why.
        """
        if not self.reason:
            self.reason = reason
            self.release()
            rank_zero_warn(f"`cuda_graph` is of no effect, and the run goes on uncaptured: {reason}.")

    def _capture(self, module: "PINNModule", batch: Batch, params: Sequence[Tensor], step: int) -> bool:
        optimizer = module.trainer.optimizers[0]
        if why := obstacle(module, optimizer, points_of(batch, step)):
            self.refuse(why)
            return False
        try:
            self._graph = StepGraph(module, batch, params, step, optimizer)
            if why := self._graph.compare(batch, step):
                self.refuse(f"the captured step differs from the same step uncaptured: {why}")
        except Exception as error:  # whatever cannot be captured; as any other, the step raises what is truly wrong
            said = str(error.__context__ or error).strip() or "no reason given"
            self.refuse(f"{type(error).__name__}: {said.splitlines()[0].rstrip('.')}")
        return not self.reason

    def _verify(self, batch: Batch, step: int) -> None:
        if self._graph is not None and (why := self._graph.compare(batch, step)):
            self.release()
            raise MisconfigurationException(
                "`cuda_graph` must be left out where a step depends on more than points, parameters, buffers and "
                "learning rate, such as `self.global_step` or random numbers in `residuals`. A captured step differs "
                f"from the same step uncaptured: {why}."
            )

    def _replay(self, batch: Batch, step: int) -> bool:
        if self._graph is None:
            return False
        if self._since is None or isinstance(batch, Draws):
            self._graph.load(batch, step)
        if self._since is None:
            self._graph.keep()
            self._since = step
        self._graph.replay()
        self.replayed += 1
        return True

    def _is_due(self) -> bool:
        """Whether a comparison is: the numbers of replays have one binary digit that is not 0, or are thousands."""
        return self.replayed > 0 and (self.replayed & (self.replayed - 1) == 0 or self.replayed % COMPARED == 0)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing that is captured: it belongs to one module on one device."""
        return {**self.__dict__, "_warm": 0, "_graph": None, "_since": None}


class ReleaseReplays(Callback):
    """Lets go of what a run captured when it ends, in whichever way."""

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """The run has ended."""
        _release(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """The run has failed."""
        _release(pl_module)


def _release(module: LightningModule) -> None:
    replays = getattr(module, "replays", None)
    if isinstance(replays, Replays):
        replays.release()


def _rates_are_finite(trainer: Trainer) -> bool:
    rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
    return all(isfinite(rate) for rate in rates if not isinstance(rate, Tensor))
