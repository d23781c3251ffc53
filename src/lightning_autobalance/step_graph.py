"""A training step with all the memory that it touches, captured once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance import gradients
from lightning_autobalance.capturing import hooks_of
from lightning_autobalance.graph_points import Batch, graph_points
from lightning_autobalance.points import points_of
from lightning_autobalance.recordings import RECORDINGS

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

FOLLOWED = ("params", "lr", "initial_lr", "capturable")  # entries of a group that are no fixed part of a captured step


class StepGraph:
    """From the points to the moved parameters, as one recording.

    Points, parameters, buffers and the optimizer's state lie where they lay when the step was captured; the learning
    rates are copied to tensors of its own, so that the optimizer's groups stay as they are. Whether all replays were
    finite is noted on the device and read once for many of them.

    Args:
        module: Is trained.
        batch: The data's points; later ones must have the same shapes.
        params: The parameters.
        step: Number of optimizer steps done before.
        optimizer: Has the option ``capturable``, and has stepped before.

    Attributes:
        finite: Whether every replay since `keep` was finite, a 0-dim bool.
        count: How many were, up to the first that was not, a 0-dim integer.
        values: The losses of the latest replay, or of the first that was not finite, (m,).
        norms: The norms of its gradients, (m,).
    """

    def __init__(
        self, module: "PINNModule", batch: Batch, params: Sequence[Tensor], step: int, optimizer: Optimizer
    ) -> None:
        self._module = module
        self._params = list(params)
        self._optimizer = optimizer
        device, m = self._params[0].device, len(module.terms)
        self._points = graph_points(batch, step, device)
        self._rates = [torch.zeros((), device=device) for _ in optimizer.param_groups]  # float32, as kernels read it
        for state in optimizer.state.values():
            if isinstance(count := state.get("step"), Tensor):
                state["step"] = count.to(device, torch.float32)
        self.finite = torch.ones((), dtype=torch.bool, device=device)
        self.count = torch.zeros((), dtype=torch.int64, device=device)
        self.values, self.norms = (torch.zeros(m, dtype=self._params[0].dtype, device=device) for _ in range(2))
        self._fixed = deepcopy(self._fixed_now())
        self._where = self._where_now()
        self._state = _by_dtype(self._tensors())
        self._kept = [[torch.empty_like(x) for x in group] for group in self._state]
        self._recording = RECORDINGS[device.type](device)
        self.keep()
        try:
            self._set_rates()
            self._recording.capture(self._step)
        finally:
            self.restore()

    def keep(self) -> None:
        """Remember parameters, buffers and the optimizer's state as they are."""
        self._copy(self._state, self._kept)

    def restore(self) -> None:
        """Go back to what `keep` remembered."""
        self._copy(self._kept, self._state)

    @torch.no_grad()
    def _copy(self, source: list[list[Tensor]], target: list[list[Tensor]]) -> None:
        for there, here in zip(source, target, strict=True):
            torch._foreach_copy_(here, there)
        self.finite.fill_(True)
        self.count.zero_()

    def changed(self, batch: Batch, params: Sequence[Tensor], step: int) -> str:
        """Why a step would now be another than the captured one; or nothing.

        Args:
            batch: The data's points.
            params: The parameters.
            step: Number of optimizer steps done before.
        """
        if not self._points.fits(batch, step):
            return "the numbers of points, their type or their sampler change"
        if [*map(id, params)] != [*map(id, self._params)] or self._where_now() != self._where:
            return "parameters, buffers or the optimizer's state are others than before"
        return self.set_otherwise()

    def set_otherwise(self) -> str:
        """Why the settings of module and optimizer are others than those captured; or nothing."""
        return "" if self._fixed_now() == self._fixed else "settings of the module or the optimizer change"

    def load(self, batch: Batch, step: int) -> None:
        """Take over points for the next replays.

        Args:
            batch: The data's points.
            step: Number of optimizer steps done before.
        """
        self._points.load(batch, step)

    def replay(self) -> None:
        """Take the step, with the learning rates of now."""
        self._set_rates()
        self._recording.replay()

    def compare(self, batch: Batch, step: int) -> str:
        """How a replay differs from the same step uncaptured, beyond rounding; or nothing. Leaves no trace.

        Args:
            batch: The data's points.
            step: Number of optimizer steps done before.
        """
        self.load(batch, step)
        self.keep()
        before, found = _flat(self._params), []
        for take in (self.replay, lambda: self._step(points_of(batch, step))):
            try:
                take()
                found.append((_flat(self._params) - before, self.values.clone()))
            finally:
                self.restore()
        (way, losses), (expected_way, expected_losses) = found
        limit = torch.finfo(losses.dtype).eps ** 0.4  # 2e-3 in float32: torch's capturable Adam rounds otherwise
        if _is_off((way - expected_way).norm(), limit * expected_way.norm(), expected_way):
            return f"its update has the length {float(way.norm()):.6g}, and {float(expected_way.norm()):.6g} uncaptured"
        if _is_off((losses - expected_losses).abs(), limit * expected_losses.abs(), expected_losses):
            return f"its losses are {losses.tolist()}, and {expected_losses.tolist()} uncaptured"
        return ""

    def _step(self, points: Mapping[str, Tensor] | None = None) -> None:
        """With the points of the captured step unless there are others."""
        module, logs = self._module, self._module.logs_this_step
        module.logs_this_step = False
        try:
            with self._capturable():
                self._take(self._points() if points is None else points)
        finally:
            module.logs_this_step = logs
            gradients.forget(self._params)

    def _take(self, points: Mapping[str, Tensor]) -> None:
        module = self._module
        values, blocks, _ = module.passes(module, points, self._params, 0)  # who is capturable ignores the 0
        each = [torch.linalg.vector_norm(b.reshape(len(b), -1), dim=1) for b in blocks if b is not None]
        norms = torch.linalg.vector_norm(torch.stack(each), dim=0)
        for own, new in ((self.values, values), (self.norms, norms)):
            own.copy_(torch.where(self.finite, new, own))
        self.finite.logical_and_(torch.isfinite(torch.cat([values, norms]).sum()))
        self.count.add_(self.finite)
        module.hand_over(values, blocks, points, self._params, 0)
        self._optimizer.step()

    @contextmanager
    def _capturable(self) -> Iterator[None]:
        groups = self._optimizer.param_groups
        own = [(group["lr"], group["capturable"]) for group in groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group.update(lr=rate, capturable=True)
        try:
            yield
        finally:
            for group, (lr, capturable) in zip(groups, own, strict=True):
                group.update(lr=lr, capturable=capturable)

    def _set_rates(self) -> None:
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            rate.copy_(group["lr"]) if isinstance(group["lr"], Tensor) else rate.fill_(group["lr"])

    def _tensors(self) -> list[Tensor]:
        states = [x for state in self._optimizer.state.values() for x in state.values() if isinstance(x, Tensor)]
        return [*self._params, *self._module.buffers(), *states]

    def _where_now(self) -> list[int]:
        return [x.data_ptr() for x in self._tensors()]

    def _fixed_now(self) -> list[Any]:
        groups = [{k: v for k, v in g.items() if k not in FOLLOWED} for g in self._optimizer.param_groups]
        module = self._module
        parts = [id(part) for part in (module.variant, module.balancer, *hooks_of(self._optimizer))]
        return [groups, module.weights, module.gradient_clip_val, module.terms, parts]


def _by_dtype(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """In lists of one type each, which one kernel copies."""
    there = sorted((x for x in tensors if x.numel()), key=lambda x: str(x.dtype))
    return [list(group) for _, group in groupby(there, key=lambda x: x.dtype)]


def _flat(params: Sequence[Tensor]) -> Tensor:
    return torch.cat([p.detach().flatten() for p in params]).to(torch.float64)


def _is_off(error: Tensor, allowed: Tensor, expected: Tensor) -> bool:
    """Whether an error is too large, or not a number; what is expected not to be finite is left to the guard."""
    return bool(torch.isfinite(expected).all()) and not bool((error <= allowed).all())
