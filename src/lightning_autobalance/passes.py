"""The forward and backward passes of a training step: from points to losses and per-term gradients."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from lightning_autobalance import gradients, variation
from lightning_autobalance.balancing import Aggregator
from lightning_autobalance.compilation import CompiledPass, asked
from lightning_autobalance.jacobian import FreedGraphError, graphs_are_shared
from lightning_autobalance.shapes import Losses
from lightning_autobalance.together import term_gradients

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule


class Found(NamedTuple):
    r"""What the passes give.

    Args:
        values: One loss per term, without its fixed weight, (m,).
        blocks: The gradients with it, one (m, \*shape) per parameter; None where no term reaches the parameter.
        counts: Over how many values each loss is averaged.
    """

    values: Losses
    blocks: list[Tensor | None]
    counts: list[int]


class Passes:
    """Runs a module's passes, compiled where that is asked for and works.

    Args:
        compiles: Whether to compile them, or the compile mode of torch's.
    """

    def __init__(self, compiles: bool | str) -> None:
        self.compiled = CompiledPass(compiles if isinstance(compiles, str) else None) if compiles else None
        self._shared: bool | None = None
        self._reached: list[bool] | None = None  # by any loss term, parameter by parameter

    def __call__(
        self, module: "PINNModule", points: Mapping[str, Tensor], params: Sequence[Tensor], step: int
    ) -> Found:
        """The losses and gradients of one training step; the variant's state moves on.

        Args:
            module: Its residuals, variant and fixed weights.
            points: The data's, by part, each (b, d).
            params: The parameters.
            step: Number of optimizer steps done before.
        """
        if module.has_own_losses:
            if self.compiled is not None:
                self.compiled.refuse(f"it needs residuals, and {type(module).__name__} has `losses` of its own")
            losses = module.losses(points)
            return self._differentiated(module, points, params, losses, dict.fromkeys(losses, 1))
        placed = variation.started(module, points, step)
        rows = self._asked(module)
        wanted = tuple(module.terms[i] for i in rows)
        if self.compiled is not None and (found := self.compiled(module, placed, params, wanted)) is not None:
            values, blocks, counts = found
            return Found(values, self._whole(blocks, rows, len(values), params), counts)
        return self._differentiated(module, placed, params, *variation.learnt(module, placed))

    def _differentiated(
        self,
        module: "PINNModule",
        placed: Mapping[str, Tensor],
        params: Sequence[Tensor],
        losses: Mapping[str, Tensor],
        counts: Mapping[str, int],
    ) -> Found:
        module.take_terms(losses)
        try:
            blocks = self._blocks(module, losses, params)
        except FreedGraphError:  # terms that did not share a graph do so now
            self._shared = True
            losses = module.losses(placed) if module.has_own_losses else variation.learnt_before(module, placed)
            blocks = self._blocks(module, losses, params)
        return Found(torch.stack([loss.detach() for loss in losses.values()]), blocks, list(counts.values()))

    def _blocks(
        self, module: "PINNModule", losses: Mapping[str, Tensor], params: Sequence[Tensor]
    ) -> list[Tensor | None]:
        if self._shared is None:
            self._shared = graphs_are_shared(losses)
        rows = self._asked(module)
        wanted = [module.terms[i] for i in rows]
        blocks = term_gradients(asked(module.weighted(losses), wanted), params, shared=self._shared)
        return self._whole(blocks, rows, len(losses), params)

    def _asked(self, module: "PINNModule") -> tuple[int, ...]:
        """The terms whose gradients this step needs, in order; all where there are none."""
        balancer, count = module.balancer, len(module.terms)
        every = self._reached is None or module.logs_this_step or module.variant.watches_gradients
        rows = balancer.asks(count) if isinstance(balancer, Aggregator) and not every else ()
        return tuple(sorted(rows)) if len(rows) < count else ()

    def _whole(
        self, blocks: list[Tensor | None], rows: Sequence[int], count: int, params: Sequence[Tensor]
    ) -> list[Tensor | None]:
        if rows:
            return gradients.spread(blocks, rows, count, params, self._reached or [])
        self._reached = [block is not None for block in blocks]
        return blocks
