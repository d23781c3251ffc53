"""Stage 2: one gradient per loss term, none mixed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lightning_autobalance.balancing import Aggregator, Balancer
from lightning_autobalance.jacobian import FreedGraphError, flatten, graphs_are_shared, term_gradients
from lightning_autobalance.shapes import JacBlock, Jacobian, Losses
from lightning_autobalance.step.compiled import Arguments, CompiledGradients, Result
from lightning_autobalance.step.losses import ByPart, LossStage, ResidualLosses, select, weighted


class ChangedTermsError(ValueError):
    """The loss terms of a step differ from those of the steps before."""


@dataclass(frozen=True)
class TermGradients:
    r"""Losses and their gradients at the parameters; what flows through the stages from here on.

    Args:
        terms: Names of the m loss terms, in the order of all rows.
        losses: One loss per term, without its fixed weight and without a graph, (m,).
        blocks: The Jacobian J by parameter, (m, \*shape) each, fixed weights included; None where no term reaches it.
        counts: Over how many residual values each loss averages, m numbers; of all processes once reduced.
    """

    terms: tuple[str, ...]
    losses: Losses
    blocks: Sequence[JacBlock | None]
    counts: Sequence[int] | Tensor = field(default=())

    def jacobian(self) -> Jacobian:
        """The blocks of all parameters that are reached, side by side, (m, n)."""
        return flatten([block for block in self.blocks if block is not None])


class TermGradientStage:
    """Points to per-term gradients, eager or compiled; remembers what does not change from step to step.

    Args:
        compile: Whether, or in which of torch's modes, stages 1 and 2 are compiled; ``auto`` leaves it to
            `compile_if_possible` and `leave_uncompiled`.
    """

    def __init__(self, compile: bool | str = False) -> None:  # noqa: A002  torch's name for it
        mode = compile if isinstance(compile, str) else None
        self.is_automatic = compile == "auto"
        self.compiled = CompiledGradients(mode) if compile and not self.is_automatic else None
        self._shared: bool | None = None  # whether terms share a graph; None until the first step
        self._reached: dict[Tensor, bool] = {}  # whether any loss term reaches a parameter

    @property
    def is_compiled(self) -> bool:
        """Whether the next step is to be compiled."""
        return self.compiled is not None and not self.compiled.reason

    def compile_if_possible(self, tell: Callable[[str], None]) -> None:
        """Compile from the next step on, until that fails or something that was compiled for has changed.

        A step is never compiled twice: what the compiler makes depends on what it has seen before, so that a run which
        goes on from a checkpoint, in a new process, would not be the uninterrupted one to the last bit.

        Args:
            tell: Receives what compiling took and gave, or why the run goes on uncompiled.
        """
        self.compiled = CompiledGradients(tell=tell, once=True)

    def leave_uncompiled(self) -> None:
        """Take uncompiled steps from now on."""
        self.compiled = None

    def __call__(
        self,
        losses: LossStage,
        points: ByPart,
        params: Sequence[Tensor],
        *,
        weights: Mapping[str, float],
        terms: tuple[str, ...] = (),
        needed: tuple[str, ...] = (),
    ) -> TermGradients:
        r"""The losses and gradients of one training step.

        Args:
            losses: Stage 1.
            points: From its ``begin``, by part, each (b, d).
            params: The parameters, of any shape.
            weights: Fixed weights by term; 1 where a term has none.
            terms: The names that the losses must have; any where there are none.
            needed: The terms whose gradients are needed; all where there are none. The rows of others are zero.

        Raises:
            ChangedTermsError: If the losses are of other terms.
        """
        if not all(p in self._reached for p in params):
            needed = ()  # which parameters are reached, all gradients show
        result = self._compiled(losses, points, params, weights, needed)
        if result is None:
            result = self._eager(losses, points, params, weights, terms, needed)
        names, values, blocks, counts = result
        check_same_terms(terms, names)
        if needed:
            blocks = with_zero_rows(
                blocks, [name in needed for name in names], params, [self._reached[p] for p in params]
            )
        else:
            self._reached |= {p: block is not None for p, block in zip(params, blocks, strict=True)}
        return TermGradients(names, values, blocks, counts)

    def _compiled(
        self,
        losses: LossStage,
        points: ByPart,
        params: Sequence[Tensor],
        weights: Mapping[str, float],
        needed: tuple[str, ...],
    ) -> Result | None:
        if self.compiled is None:
            return None
        if isinstance(losses, ResidualLosses):
            return self.compiled(Arguments(losses.variant, losses.residuals, points, params, weights, needed))
        self.compiled.refuse(f"it needs residuals, and {losses.owner} has `losses` of its own")
        return None

    def _eager(
        self,
        losses: LossStage,
        points: ByPart,
        params: Sequence[Tensor],
        weights: Mapping[str, float],
        terms: tuple[str, ...],
        needed: tuple[str, ...],
    ) -> Result:
        values, counts = losses(points)
        check_same_terms(terms, tuple(values))
        try:
            blocks = self._blocks(select(weighted(values, weights), needed), params)
        except FreedGraphError:  # terms that did not share a graph do so now
            self._shared = True
            values = losses.again(points)
            blocks = self._blocks(select(weighted(values, weights), needed), params)
        stacked = torch.stack([loss.detach() for loss in values.values()])
        return tuple(values), stacked, blocks, list(counts.values())

    def _blocks(self, losses: Mapping[str, Tensor], params: Sequence[Tensor]) -> list[Tensor | None]:
        if self._shared is None:
            self._shared = graphs_are_shared(losses)
        return list(term_gradients(losses, params, shared=self._shared))


def terms_needed(balancer: Balancer | None, terms: tuple[str, ...]) -> tuple[str, ...]:
    """The terms whose gradients the balancer needs in the next step; none where it needs all.

    Args:
        balancer: Of the run.
        terms: Names of all m loss terms; empty before the first step, where all are needed.
    """
    rows = balancer.rows_needed(len(terms)) if terms and isinstance(balancer, Aggregator) else ()
    return tuple(terms[row] for row in sorted(rows)) if len(rows) < len(terms) else ()


def check_same_terms(expected: tuple[str, ...], found: tuple[str, ...]) -> None:
    """Refuse other loss terms than in the steps before: each has state of its own.

    Args:
        expected: Names in the order of the steps before; empty in the first step.
        found: Names of this step.

    Raises:
        ChangedTermsError: If they differ.
    """
    if expected and found != expected:
        raise ChangedTermsError(
            f"`residuals` must give the same terms in every step, {list(expected)}, got {list(found)}."
        )


def with_zero_rows(
    blocks: Sequence[Tensor | None], needed: Sequence[bool], params: Sequence[Tensor], reached: Sequence[bool]
) -> list[Tensor | None]:
    r"""Blocks of some terms as blocks of all, zero in the other rows.

    Args:
        blocks: One per parameter, with one row for each needed term.
        needed: Which of the m terms these are.
        params: The parameters.
        reached: Which of them any term reaches: these get a block, also where no needed term does.

    Returns:
        One (m, \*shape) per parameter that any term reaches.
    """
    complete: list[Tensor | None] = []
    for block, p, is_reached in zip(blocks, params, reached, strict=True):
        zeros = p.new_zeros((len(needed), *p.shape)) if is_reached or block is not None else None
        if zeros is not None and block is not None:
            zeros[torch.tensor(needed, device=p.device)] = block
        complete.append(zeros)
    return complete
