"""A training step with all the memory that it touches, captured once."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance import gradients
from lightning_autobalance.recordings import RECORDINGS

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

MOVES = ("params", "lr", "initial_lr")  # entries of a parameter group that a captured step follows or does not read


class StepGraph:
    """From the points to the moved parameters, as one recording.

    Points, parameters, the optimizer's state and the learning rates lie where they lay when the step was captured.
    Whether all replays were finite is noted on the device and read once for many of them.

    Args:
        module: Is trained.
        points: By part, each (b, d); later ones must have the same shapes.
        params: The parameters.
        optimizer: Its learning rates are tensors.

    Attributes:
        finite: Whether every replay so far was finite, a 0-dim bool.
        count: How many were, up to the first that was not, a 0-dim integer.
        values: The losses of the latest replay, or of the first that was not finite, (m,).
        norms: The norms of its gradients, (m,).
    """

    def __init__(
        self, module: "PINNModule", points: Mapping[str, Tensor], params: Sequence[Tensor], optimizer: Optimizer
    ) -> None:
        self._module = module
        self._params = list(params)
        self._optimizer = optimizer
        self._given = dict(points)
        self._points = {part: x.detach().clone() for part, x in points.items()}
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._settings = settings(optimizer)
        device, m = self._params[0].device, len(module.terms)
        self.finite = torch.ones((), dtype=torch.bool, device=device)
        self.count = torch.zeros((), dtype=torch.int64, device=device)
        self.values, self.norms = (torch.zeros(m, dtype=self._params[0].dtype, device=device) for _ in range(2))
        states = [x for state in optimizer.state.values() for x in state.values() if isinstance(x, Tensor)]
        self._state = [*self._params, *states, self.finite, self.count]
        self._kept = [torch.empty_like(x) for x in self._state]
        self.keep()
        self._recording = RECORDINGS[device.type]()
        try:
            self._recording.capture(self._step)
        finally:
            self.restore()

    @torch.no_grad()
    def keep(self) -> None:
        """Remember parameters and state as they are."""
        torch._foreach_copy_(self._kept, self._state)

    @torch.no_grad()
    def restore(self) -> None:
        """Go back to what `keep` remembered."""
        torch._foreach_copy_(self._state, self._kept)

    def fits(self, points: Mapping[str, Tensor]) -> str:
        """Why a step from these points, with the optimizer as it is now, is another than the captured one; or nothing.

        Args:
            points: By part, each (b, d).
        """
        if {part: x.shape for part, x in points.items()} != {part: x.shape for part, x in self._points.items()}:
            return "the numbers of points change"
        return "" if settings(self._optimizer) == self._settings else "settings of the optimizer other than `lr` change"

    def replay(self, points: Mapping[str, Tensor]) -> None:
        """Take the step.

        Args:
            points: By part, each (b, d).
        """
        for part, x in points.items():
            if x is not self._given[part]:
                self._points[part].copy_(x)
                self._given[part] = x
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            if group["lr"] is not rate:  # somebody put a number there
                rate.fill_(float(group["lr"]))
                group["lr"] = rate
        self._recording.replay()

    def deviation(self, points: Mapping[str, Tensor]) -> float:
        """Take the step uncaptured; how far a replay would have led from there, by the length of the way.

        Args:
            points: By part, each (b, d).
        """
        self.keep()
        self.replay(points)
        replayed = _flat(self._params)
        self.restore()
        before = _flat(self._params)
        self._step()
        there = _flat(self._params)
        return float((replayed - there).norm() / (there - before).norm())

    def losses(self, points: Mapping[str, Tensor]) -> Tensor:
        """The losses that a replay would find, (m,); changes nothing.

        Args:
            points: By part, each (b, d).
        """
        self.keep()
        self.replay(points)
        found = self.values.clone()
        self.restore()
        return found

    def _step(self) -> None:
        module = self._module
        values, blocks, _ = module.passes(module, self._points, self._params, 0)  # who is capturable ignores the 0
        there = [block for block in blocks if block is not None]
        each = torch.stack([torch.linalg.vector_norm(block.reshape(len(block), -1), dim=1) for block in there])
        norms = torch.linalg.vector_norm(each, dim=0)
        for own, new in ((self.values, values), (self.norms, norms)):
            own.copy_(torch.where(self.finite, new, own))
        self.finite.logical_and_(torch.isfinite(torch.cat([values, norms]).sum()))
        self.count.add_(self.finite)
        module.hand_over(values, blocks, self._points, self._params, 0)
        self._optimizer.step()
        gradients.forget(self._params)


def settings(optimizer: Optimizer) -> list[dict[str, Any]]:
    """What a captured step holds fast of the parameter groups.

    Args:
        optimizer: The optimizer.
    """
    return [{name: value for name, value in g.items() if name not in MOVES} for g in optimizer.param_groups]


def _flat(params: Sequence[Tensor]) -> Tensor:
    return torch.cat([p.detach().flatten() for p in params]).to(torch.float64)
