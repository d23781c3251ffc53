"""Stage 4: clip each term's gradient, then balance: one gradient, or weighted rows for a post-combine optimizer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_autobalance.balancing import Aggregator, Balancer, StepView, Weighting
from lightning_autobalance.shapes import Gradient, JacBlock, Jacobian, Losses
from lightning_autobalance.step.losses import weighted
from lightning_autobalance.step.term_gradients import ChangedTermsError, TermGradients

TINY = 1e-8  # added to a loss before its logarithm; DB-MTL's choice


class Combined(NamedTuple):
    r"""What the optimizer steps along.

    Args:
        blocks: Per-term gradients by parameter, (m, \*shape) each, for ``p.jac``; None where no term reaches it.
        gradients: Their combination by parameter, \*shape each, for ``p.grad``; empty before a post-combine optimizer.
        made: What a balancer has made of the gradients, of any shape; is not finite where a number of it is not.
    """

    blocks: Sequence[JacBlock | None]
    gradients: Sequence[Tensor | None] = ()
    made: Sequence[Tensor] = ()


def clip(gradients: TermGradients, limit: float | None) -> TermGradients:
    """Scale the gradient of each term down to a norm; one that has no finite norm becomes NaN.

    Args:
        gradients: Losses and gradients of a step.
        limit: The largest norm of a term's gradient over all parameters; None does not clip.
    """
    if limit is None:
        return gradients
    blocks = [block for block in gradients.blocks if block is not None]
    norm = _row_norms(blocks)
    scale = (limit / norm.clamp(min=torch.finfo(norm.dtype).tiny)).clamp(max=1.0)
    # Neither an infinite norm nor a number too small for the gradients' type may make a gradient zero.
    scale = torch.where(torch.isfinite(norm) & (scale.to(blocks[0].dtype) > 0), scale, torch.nan)
    return replace(
        gradients, blocks=[None if block is None else _scale_rows(block, scale) for block in gradients.blocks]
    )


def _row_norms(blocks: Sequence[JacBlock]) -> Losses:
    """Norms of the rows over all blocks, (m,).

    In float64, since the square of a float32 gradient of 1e20 is infinite.
    """

    def norms_of(factor: float) -> Losses:
        rows = [block.reshape(len(block), -1) for block in blocks]
        scaled = [row * factor for row in rows] if factor != 1 else rows
        norms = [torch.linalg.vector_norm(row, dim=1, dtype=torch.float64) for row in scaled]
        norm: Losses = torch.linalg.vector_norm(torch.stack(norms), dim=0) / factor
        return norm

    norm = norms_of(1)
    if all(block.dtype != torch.float64 for block in blocks):
        return norm
    return torch.where(torch.isinf(norm), norms_of(2.0**-600), norm)  # and that of a float64 one of 1e200, too


def combine_terms(
    gradients: TermGradients,
    balancer: Balancer | None,
    *,
    step: int,
    weights: Mapping[str, float],
    ntk: Callable[[], Losses],
    pre_combine: bool,
) -> Combined:
    """Let a balancer make one gradient of the terms', or, before a post-combine optimizer, weigh them.

    Args:
        gradients: Losses and gradients of a step.
        balancer: A weighting or an aggregator; None as in `unbalanced`.
        step: Number of optimizer steps done before.
        weights: Fixed weights of the losses, by term.
        ntk: Mean diagonals of the terms' neural tangent kernels, (m,); called only by balancers that need them.
        pre_combine: Whether the optimizer steps along one gradient.

    Raises:
        ChangedTermsError: If the balancer has state of other terms.
        TypeError: If it is neither a weighting nor an aggregator.
    """
    if balancer is None:
        return unbalanced(gradients, pre_combine=pre_combine)
    _check_terms(balancer, gradients.terms)
    losses = weighted(dict(zip(gradients.terms, gradients.losses, strict=True)), weights)
    view = StepView(step, gradients.terms, torch.stack(list(losses.values())), gradients.jacobian(), ntk)
    if isinstance(balancer, Weighting):
        factors = balancer(view).to(view.jacobian)
        balancer.weights = factors
        if not pre_combine:
            rows = [None if block is None else _scale_rows(block, factors) for block in gradients.blocks]
            return Combined(rows, made=[block for block in rows if block is not None])
        gradient = factors @ view.jacobian
    elif isinstance(balancer, Aggregator):
        gradient = balancer(_of_log_losses(view) if balancer.of_log_losses else view.jacobian)
    else:
        raise TypeError(f"`balancer` must be a Weighting or an Aggregator, got {type(balancer).__name__}.")
    return Combined(gradients.blocks, split(gradient, gradients.blocks), made=[gradient])


def _check_terms(balancer: Balancer, terms: tuple[str, ...]) -> None:
    """Refuse a balancer whose state per term is of other terms, such as those of an earlier run."""
    before = balancer.terms
    if before and before != terms and any(len(before) in buffer.shape for buffer in balancer.buffers()):
        raise ChangedTermsError(
            f"`balancer` keeps state for the loss terms {list(before)}, got {list(terms)}: that of one term cannot "
            f"serve another. Give it the same terms in the same order, or make a new {type(balancer).__name__}."
        )
    balancer.terms = terms


def unbalanced(gradients: TermGradients, *, pre_combine: bool) -> Combined:
    """The rows as they are, and their sum where the optimizer steps along one gradient.

    Args:
        gradients: Losses and gradients of a step.
        pre_combine: Whether it does.
    """
    if not pre_combine:
        return Combined(gradients.blocks)
    return Combined(gradients.blocks, [None if block is None else block.sum(dim=0) for block in gradients.blocks])


def split(gradient: Gradient, blocks: Sequence[JacBlock | None]) -> list[Tensor | None]:
    r"""A flat gradient, parameter by parameter.

    Args:
        gradient: Of all parameters that have a block, (n,).
        blocks: (m, \*shape) by parameter, or None.

    Returns:
        \*shape by parameter, or None.
    """
    parts = iter(torch.split(gradient, [block[0].numel() for block in blocks if block is not None]))
    return [None if block is None else next(parts).view(block.shape[1:]).to(block.dtype) for block in blocks]


def _of_log_losses(view: StepView) -> Jacobian:
    return view.jacobian / (view.losses[:, None] + TINY)


def _scale_rows(block: JacBlock, factors: Losses) -> JacBlock:
    return block * factors.to(block.dtype).view(-1, *[1] * (block.dim() - 1))
