"""M-ConFIG: ConFIG of momenta, one loss term per step."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.balancing.aggregators.config import config_weights
from lightning_autobalance.balancing.base import CallCounter
from lightning_autobalance.shapes import Gradient, Jacobian
from lightning_autobalance.utils.arguments import check_interval, check_positive
from lightning_autobalance.utils.parameter_columns import ParameterColumns


@final
class MConFIG(ParameterColumns, CallCounter, Aggregator):
    r"""Momentum ConFIG: each step updates the momentum of one term, in turn, and combines the momenta of all.

    With bias-corrected momenta :math:`\hat m_j`, :math:`c = \mathrm{ConFIG}(\hat m_1, \ldots)`, and the second moment s
    of the pseudo-gradient q that would have produced this momentum,

    .. math:: q = \frac{c (1 - \beta_1^T) - \beta_1 F}{1 - \beta_1}, \quad
        s \leftarrow \beta_2 s + (1 - \beta_2) q^2, \quad g = \frac{c}{\sqrt{s / (1 - \beta_2^T)} + \epsilon}

    The result is an Adam update already: combine it with ``torch.optim.SGD``. A step differentiates one term instead of
    m, so compare runs at equal numbers of gradients. The first m - 1 steps move nothing.

    Args:
        betas: Decay rates of the first and second moments, in [0, 1).
        eps: Added to the square root.

    Raises:
        ValueError: If a rate is not in [0, 1), or ``eps`` is not finite and positive.

    Reference:
        Liu, Chu and Thuerey, ConFIG, ICLR 2025, algorithm 1.

    Note:
        On logged steps all terms are differentiated, for the log. Momenta and their numbers of updates belong to a
        parameter: they rest while it is frozen, and one that is unfrozen in mid-run does not move until every term has
        had its turn.
    """

    per_parameter = ("momenta", "fake", "second")
    momenta: Tensor
    fake: Tensor
    second: Tensor

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__()
        for i, beta in enumerate(betas):
            check_interval(f"betas[{i}]", beta, 0, 1)
        check_positive("eps", eps)
        self.betas = betas
        self.eps = eps
        for name in self.per_parameter:
            self.register_buffer(name, torch.empty(0))
        # By parameter, "" for all: how often the momentum of each term was updated, and how often the parameter moved.
        self._updates: dict[str, list[int]] = {}

    def rows_needed(self, m: int) -> Sequence[int]:
        """The term whose turn it is."""
        return [self._calls % m]

    def forward(self, jacobian: Jacobian) -> Gradient:
        """The update for plain SGD: (m, n) to (n,)."""
        m, beta = len(jacobian), self.betas[0]
        if not self.momenta.numel():
            self.momenta, self.fake = torch.zeros_like(jacobian), torch.zeros_like(jacobian[0])
            self.second = torch.zeros_like(self.fake)
        turn = self._calls % m
        self._calls += 1
        self.momenta[turn].lerp_(jacobian[turn].nan_to_num(0.0, 0.0, 0.0), 1 - beta)
        updates = self._count(turn, m, jacobian.shape[1])
        if not any(moved for *_, moved in updates.values()):
            return torch.zeros_like(self.fake)
        corrections, moved = self._bias_corrections(updates, jacobian)
        return self._preconditioned(_conflict_free(self.momenta / corrections), moved)

    def _count(self, turn: int, m: int, n: int) -> dict[str, list[int]]:
        names = self._columns or {"": n}
        if "" not in names and "" in self._updates:
            common = self._updates.pop("")
            self._updates |= {name: list(common) for name in names}
        for name in names:
            numbers = self._updates.setdefault(name, [0] * (m + 1))
            numbers[turn] += 1
            numbers[m] += all(numbers[:m])
        return {name: self._updates[name] for name in names}

    def _bias_corrections(self, updates: dict[str, list[int]], jacobian: Jacobian) -> tuple[Tensor, int | Tensor]:
        """Divisors of the momenta, and the numbers of moves: one for all parameters, or by column."""
        first, beta = next(iter(updates.values())), self.betas[0]
        if all(numbers == first for numbers in updates.values()):
            corrections = torch.tensor([1 - beta**count for count in first[:-1]], dtype=jacobian.dtype)
            return corrections.to(jacobian.device)[:, None], first[-1]
        widths = torch.tensor([(self._columns or {})[name] for name in updates])
        table = torch.tensor(list(updates.values()), dtype=torch.float64).repeat_interleave(widths, dim=0).T
        counts, moved = table[:-1], table[-1]
        ready = (counts > 0).all(dim=0)
        by_column = torch.where(ready, 1 - beta**counts, torch.inf)  # what is not ready has momenta of zero
        return by_column.to(jacobian), moved.clamp(min=1)

    def _preconditioned(self, combined: Gradient, moved: int | Tensor) -> Gradient:
        beta1, beta2 = self.betas
        momentum = combined * _bias(beta1, moved, combined)
        gradient = (momentum - beta1 * self.fake) / (1 - beta1)
        self.fake = momentum
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        return combined / ((self.second / _bias(beta2, moved, combined)).sqrt() + self.eps)

    def start(self, parameters: Sequence[str]) -> None:
        """Count their updates from 0."""
        for name in parameters:
            self._updates.pop(name, None)

    def get_extra_state(self) -> dict[str, Any]:
        """The numbers of updates by parameter, with those of the other classes."""
        return {**super().get_extra_state(), "updates": {name: list(n) for name, n in self._updates.items()}}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore them from a checkpoint; older ones have the number of calls only."""
        super().set_extra_state(state)
        updates = state.get("updates", self._updates_of_calls())
        self._updates = {name: list(numbers) for name, numbers in updates.items()}

    def _updates_of_calls(self) -> dict[str, list[int]]:
        calls, m = self._calls, len(self.momenta)
        if m == 0:
            return {}
        return {"": [*(calls // m + (i < calls % m) for i in range(m)), max(calls - m + 1, 0)]}


def _bias(beta: float, steps: int | Tensor, like: Tensor) -> float | Tensor:
    return 1 - beta**steps if isinstance(steps, int) else (1 - beta**steps).to(like)


def _conflict_free(rows: Jacobian) -> Gradient:
    wide = rows.to(torch.float64)
    gram = (wide @ wide.T).cpu()
    usable = gram.diagonal() > 0
    weights = torch.zeros(len(rows), dtype=torch.float64)
    if usable.any():
        weights[usable] = config_weights(gram[usable][:, usable])
    return weights.to(rows) @ rows
