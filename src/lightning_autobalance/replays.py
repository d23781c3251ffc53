"""Training steps that are captured once and replayed: a small network's step on a GPU is bound by its launches."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance import gradients
from lightning_autobalance.guard import last_checkpoint
from lightning_autobalance.ranks import world
from lightning_autobalance.recordings import RECORDINGS
from lightning_autobalance.step_graph import StepGraph

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

WARM_UP = 3  # steps before the first capture: libraries and the optimizer set up what they keep
PRECISIONS = ("32-true", "64-true")


class Replays:
    """Takes a module's training steps by replays of a captured one, except for the first ones and the logged ones.

    The first replay is compared with the same step uncaptured, and the losses of a replay again on every logged step.
    Where a step cannot be captured, or the first comparison fails, a warning says why and the run goes on uncaptured.

    Args:
        asked: Whether that is asked for.

    Attributes:
        reason: Why steps are not captured; empty as long as they are.
        replayed: How many steps of this process were replays.
    """

    def __init__(self, asked: bool) -> None:
        self.asked = asked
        self.reason = "" if asked else "not asked for"
        self.replayed = 0
        self._warm = 0
        self._capturable: list[bool] = []  # what the optimizer's groups were made with
        self._graph: StepGraph | None = None
        self._since: int | None = None  # the step before which parameters and state were remembered

    def take(self, module: "PINNModule", points: Mapping[str, Tensor], params: Sequence[Tensor], step: int) -> bool:
        """Take a step by a replay, or say that it must be taken as any other.

        Args:
            module: Is trained.
            points: The data's, by part, each (b, d).
            params: The parameters.
            step: Number of optimizer steps done before.
        """
        if self.reason or not self._begun(module):
            return False
        if module.logs_this_step:
            self.settle(module)
            self._compare(module, points, params, step)
            return False
        if self._warm < WARM_UP:
            self._warm += 1
            return False
        if self._graph is None:
            return self._captured(module, points, params, step)
        if why := self._graph.fits(points):
            self.settle(module)
            self.refuse(why)
            return False
        if self._since is None:
            self._graph.keep()
            self._since = step
        self._graph.replay(points)
        self.replayed += 1
        return True

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
            graph.count.zero_()
            return
        step = start + int(graph.count)
        lr = float(module.trainer.optimizers[0].param_groups[0]["lr"])
        error = gradients.non_finite_error(module.terms, graph.values, [graph.norms[:, None]], step=step, lr=lr)
        graph.restore()
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
            self.reason, self._graph = reason, None
            rank_zero_warn(f"`cuda_graph` is of no effect, and the run goes on uncaptured: {reason}.")

    def plain_states(self, optimizer_states: Sequence[dict[str, Any]]) -> None:
        """Make a checkpoint's optimizer states those of an uncaptured run: the learning rates are numbers.

        Args:
            optimizer_states: Changed in place.
        """
        if not self._capturable:
            return
        for state in optimizer_states:
            for group, capturable in zip(state["param_groups"], self._capturable, strict=True):
                group.update(lr=float(group["lr"]), capturable=capturable)

    def _begun(self, module: "PINNModule") -> bool:
        if self._warm == 0:
            optimizer = module.trainer.optimizers[0]
            if why := obstacle(module, optimizer):
                self.refuse(why)
                return False
            self._capturable = self._capturable or [group["capturable"] for group in optimizer.param_groups]
            make_capturable(optimizer)
        return True

    def _captured(
        self, module: "PINNModule", points: Mapping[str, Tensor], params: Sequence[Tensor], step: int
    ) -> bool:
        """Capture a step and take it uncaptured, to compare; False where it was not taken."""
        try:
            self._graph = StepGraph(module, points, params, module.trainer.optimizers[0])
        except RuntimeError as error:  # such as an operation that waits for the device
            gradients.forget(params)
            self.refuse(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
            return False
        self._since = step
        difference = self._graph.deviation(points)
        self.settle(module)
        if difference > (limit := _limit(params[0])):
            self.refuse(f"the first captured step differs by {difference:.1e} from the same uncaptured, {limit:.1e}")
        return True

    def _compare(self, module: "PINNModule", points: Mapping[str, Tensor], params: Sequence[Tensor], step: int) -> None:
        if self._graph is None or self._graph.fits(points):
            return
        expected, found = module.passes(module, points, params, step).values, self._graph.losses(points)
        difference = float(((found - expected).abs() / expected.abs()).max())
        if difference > _limit(found):
            raise MisconfigurationException(
                "`cuda_graph` must be left out where a step depends on more than points, parameters and learning rate, "
                f"such as `self.global_step` in `residuals`: captured, the losses of {list(module.terms)} are "
                f"{found.tolist()}, uncaptured {expected.tolist()}."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Nothing that is captured: it belongs to one module on one device."""
        return {**self.__dict__, "_warm": 0, "_graph": None, "_since": None}


def obstacle(module: "PINNModule", optimizer: Optimizer) -> str:
    """Why a module's steps cannot be captured, or nothing.

    Args:
        module: Is trained.
        optimizer: Its optimizer.
    """
    trainer, device = module.trainer, module.device.type
    reasons = {
        f"it needs a device of type {', '.join(RECORDINGS)}, got {device}": device not in RECORDINGS,
        f"it needs one process, got {world()}": world() > 1,
        f"`precision` must be one of {', '.join(PRECISIONS)}, got {trainer.precision}": trainer.precision
        not in PRECISIONS,
        "`skip_non_finite` must be 0, since single steps cannot be left out": module.guard.limit > 0,
        f"the variant {type(module.variant).__name__} decides in Python": not module.variant.capturable,
        f"{type(module.balancer).__name__} decides in Python": module.balancer is not None
        and not module.balancer.capturable,
        f"{type(optimizer).__name__} has no option `capturable`": any(
            "capturable" not in group for group in optimizer.param_groups
        ),
        f"{_listener(module, optimizer)} wants to act in every step": bool(_listener(module, optimizer)),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _listener(module: "PINNModule", optimizer: Optimizer) -> str:
    hooks = [*optimizer._optimizer_step_pre_hooks.values(), *optimizer._optimizer_step_post_hooks.values()]
    hooks += getattr(optimizer, "_update_hooks", {}).values()
    if any(not getattr(hook, "on_logged_steps_only", False) for hook in hooks):
        return f"a hook of {type(optimizer).__name__}"
    if type(module).on_before_optimizer_step is not LightningModule.on_before_optimizer_step:
        return "`on_before_optimizer_step` of the module"
    for callback in module.trainer.callbacks:  # type: ignore[attr-defined]
        acts = type(callback).on_before_optimizer_step is not Callback.on_before_optimizer_step
        if acts and not getattr(callback, "on_logged_steps_only", False):
            return type(callback).__name__
    return ""


def make_capturable(optimizer: Optimizer) -> None:
    """Learning rates and step counts as tensors on the parameters' device, which a captured step can follow.

    Args:
        optimizer: Has the option ``capturable``.
    """
    for group in optimizer.param_groups:
        device = group["params"][0].device
        group["capturable"] = True
        if not isinstance(group["lr"], Tensor) or group["lr"].device != device:
            # float32, as torch's kernels read it
            group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)
        for p in group["params"]:
            if isinstance(count := optimizer.state.get(p, {}).get("step"), Tensor):
                optimizer.state[p]["step"] = count.to(device, torch.float32)


def _limit(x: Tensor) -> float:
    return float(torch.finfo(x.dtype).eps ** 0.25)
