"""What a finisher minimises: the weighted losses at fixed points, as a function of one vector of parameters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod, sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_autobalance.jacobian import DenseBlock, RowJacobian, RowJacobians
from lightning_autobalance.shapes import Gradient, Rows, Scalar
from lightning_autobalance.step.losses import ByPart, LossStage, ResidualLosses
from lightning_autobalance.utils.distributed import gather_rows, sum_over_ranks, world_size


class Evaluation(NamedTuple):
    """The loss and its gradient at some parameters."""

    weights: Gradient
    loss: Scalar
    gradient: Gradient
    by_term: Mapping[str, Tensor]  # losses without their fixed weights, ()


class PointObjective:
    r"""The loss :math:`\sum_i \lambda_i L_i` of all processes at fixed points; see ``optim.finish.Objective``.

    Args:
        losses: Stage 1.
        points: From its ``begin_fixed``, by part, each (b, d).
        params: The parameters, views of ``flat``.
        flat: All of them in one vector, (n,), overwritten by every evaluation.
        weights: Fixed weights by term; 1 where a term has none.
        jacobians: Makes the Jacobian; keeps what it has found out from step to step.
        seen: An evaluation at the same points, which is not done again.

    Attributes:
        at_start: Loss of each term, (), at the parameters of the first evaluation, without its fixed weight.
    """

    def __init__(
        self,
        losses: LossStage,
        points: ByPart,
        params: Sequence[Tensor],
        flat: Tensor,
        weights: Mapping[str, float],
        jacobians: RowJacobians,
        seen: Evaluation | None = None,
    ) -> None:
        self.losses = losses
        self.points = points
        self.params = params
        self.flat = flat
        self.weights = weights
        self.jacobians = jacobians
        self.seen = seen
        self.at_start: Mapping[str, Tensor] = {}

    def loss(self, weights: Gradient) -> Scalar:
        """L, ()."""
        if isinstance(self.losses, ResidualLosses):
            rows = self.rows(weights)
            return rows @ rows
        return self.gradient(weights)[0]

    def gradient(self, weights: Gradient) -> tuple[Scalar, Gradient]:
        """L, (), and its gradient, (n,)."""
        if self.seen is None or not torch.equal(self.seen.weights, weights):
            self.seen = self._differentiated(weights)
        self.at_start = self.at_start or self.seen.by_term
        return self.seen.loss, self.seen.gradient.clone()

    def _differentiated(self, weights: Gradient) -> Evaluation:
        self._move(weights)
        with torch.enable_grad():
            shares = self._shares()
            share = torch.stack([self._weight(term) * loss for term, loss in shares.items()]).sum()
            found = torch.autograd.grad(share, self.params, allow_unused=True, materialize_grads=True)
        own = torch.cat([torch.stack([x.detach() for x in shares.values()]), *(g.flatten() for g in found)])
        total = sum_over_ranks(own)
        by_term = dict(zip(shares, total[: len(shares)], strict=True))
        loss = torch.stack([self._weight(term) * x for term, x in by_term.items()]).sum()
        return Evaluation(weights.clone(), loss, total[len(shares) :], by_term)

    def rows(self, weights: Gradient) -> Rows:
        """r, (N,)."""
        self._move(weights)
        return self._scaled(self._own_rows())

    def jacobian(self, weights: Gradient) -> tuple[Rows, RowJacobian]:
        """r, (N,), and its Jacobian, (N, n)."""
        self._move(weights)
        own, jacobian = self.jacobians(self.losses.rows, self.points, self.params)  # type: ignore[union-attr]
        if world_size() > 1:
            jacobian = _gathered(jacobian, own)
        factors = self._factors(own)
        numbers = [x.new_full((factors[t][1] * prod(x.shape[1:]),), factors[t][0]) for t, x in own.items()]
        return self._scaled(own), jacobian.scaled(torch.cat(numbers))

    def _move(self, weights: Gradient) -> None:
        with torch.no_grad():
            self.flat.copy_(weights)

    def _rows(self) -> dict[str, Tensor]:
        return self.losses.rows(self.points)  # type: ignore[union-attr]  # a finisher without residuals does not ask

    def _own_rows(self) -> dict[str, Tensor]:
        try:
            with torch.no_grad():
                return self._rows()
        except RuntimeError:  # residuals that call `torch.autograd.grad`
            with torch.enable_grad():
                return {term: row.detach() for term, row in self._rows().items()}

    def _shares(self) -> dict[str, Tensor]:
        """This process's part of the loss of each term."""
        if isinstance(self.losses, ResidualLosses):
            rows = self.losses.rows(self.points)
            counts = sum_over_ranks(torch.tensor([float(row.numel()) for row in rows.values()]).to(self.flat))
            return {t: row.square().sum() / count for (t, row), count in zip(rows.items(), counts, strict=True)}
        return {term: loss / world_size() for term, loss in self.losses.again(self.points).items()}

    def _weight(self, term: str) -> float:
        return self.weights.get(term, 1.0)

    def _factors(self, own: Mapping[str, Tensor]) -> dict[str, tuple[float, int]]:
        """By term, the factor of its rows and the number of points of all processes."""
        lengths = torch.tensor([float(len(row)) for row in own.values()]).to(self.flat)
        found = {}
        for (term, row), length in zip(own.items(), sum_over_ranks(lengths).tolist(), strict=True):
            found[term] = sqrt(self._weight(term) / max(1.0, length * prod(row.shape[1:]))), int(length)
        return found

    def _scaled(self, own: Mapping[str, Tensor]) -> Rows:
        factors = self._factors(own)
        every = {term: gather_rows(row) for term, row in own.items()}
        self.at_start = self.at_start or {term: row.square().mean() for term, row in every.items()}
        return torch.cat([factors[term][0] * row.flatten() for term, row in every.items()])


def _gathered(jacobian: RowJacobian, own: Mapping[str, Tensor]) -> RowJacobian:
    """The rows of all processes, in the order of a single one."""
    dense, offset, parts = jacobian.dense(), 0, []
    for row in own.values():
        some = dense[offset : offset + row.numel()].reshape(len(row), prod(row.shape[1:]), dense.shape[1])
        parts.append(gather_rows(some).flatten(0, 1))
        offset += row.numel()
    whole = torch.cat(parts)
    block = DenseBlock(slice(0, len(whole)), slice(0, whole.shape[1]), whole)
    return RowJacobian([block], (len(whole), whole.shape[1]), whole)


@contextmanager
def in_dtype(network: nn.Module, params: Sequence[Tensor], weights: Tensor) -> Iterator[Tensor]:
    """While open, a network computes in another type, with the trained parameters as views of one vector.

    Args:
        network: Its floating-point parameters and buffers get the type of ``weights`` and are put back as they were.
        params: The trained parameters, which get what the vector holds at the end.
        weights: Their values, (n,), not changed.
    """
    flat, dtype = weights.clone(), weights.dtype
    saved: dict[Tensor, Tensor] = {p: p.data for p in network.parameters()}
    buffers = [(m, n, b) for m in network.modules() for n, b in m._buffers.items() if b is not None]
    try:
        for p in saved:
            if p.is_floating_point():
                p.data = p.data.to(dtype)
        offset = 0
        for p in params:
            p.data = flat[offset : offset + p.numel()].view_as(p)
            offset += p.numel()
        for module, name, buffer in buffers:
            if buffer.is_floating_point():
                module._buffers[name] = buffer.to(dtype)
        yield flat
    finally:
        for p, data in saved.items():
            p.data = data
        for module, name, buffer in buffers:
            module._buffers[name] = buffer


def written_back(params: Sequence[Tensor], weights: Gradient) -> None:
    """Give the parameters the values of a vector, rounded to their type.

    Args:
        params: n numbers in total.
        weights: (n,).
    """
    with torch.no_grad():
        for p, values in zip(params, torch.split(weights, [p.numel() for p in params]), strict=True):
            p.copy_(values.view_as(p))
