"""What happens to the terms' gradients between the losses and the optimizer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_autobalance.balancing import Aggregator, Balancer, StepView, Weighting
from lightning_autobalance.jacobian import flatten
from lightning_autobalance.shapes import JacBlock, Jacobian, Losses

Blocks = Sequence[JacBlock | None]
TINY = 1e-8  # before the logarithm of a loss; DB-MTL's choice


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or a weight is NaN or infinite."""


def are_finite(values: Losses, blocks: Blocks) -> bool:
    """Whether all losses, and the squares of all gradients, are; one number is read from the device.

    Args:
        values: One loss per term, (m,).
        blocks: One per parameter, (m, *shape).
    """
    norms = torch._foreach_norm([block for block in blocks if block is not None])
    return bool(torch.isfinite(torch.stack([values.sum(), *norms]).sum()))


def check_weights(module: nn.Module, step: int) -> None:
    """Refuse to go on with, or to keep, weights and buffers that are not finite.

    Args:
        module: Its parameters and buffers.
        step: Number of optimizer steps done.

    Raises:
        NonFiniteError: If a parameter holds a NaN or an infinite number.
    """
    buffers = {name: b for name, b in module.named_buffers() if b.is_floating_point() and b.numel()}
    params = dict(module.named_parameters()) | buffers
    if params and not torch.isfinite(torch.stack(torch._foreach_norm(list(params.values()))).sum()):
        bad = [name for name, p in params.items() if not torch.isfinite(p).all()]
        if bad:
            raise NonFiniteError(
                f"The weights must be finite, got NaN or infinite numbers in {bad} after step {step}. They are not "
                "saved: go on from the last checkpoint, with a lower learning rate."
            )


def non_finite_error(terms: Sequence[str], values: Losses, blocks: Blocks, *, step: int, lr: float) -> NonFiniteError:
    """Say which term went wrong first.

    Args:
        terms: Names of the loss terms.
        values: One loss per term, (m,).
        blocks: One per parameter, (m, *shape).
        step: Number of the optimizer step that was not taken.
        lr: Its learning rate.
    """
    what, term = _first_non_finite(terms, values, blocks)
    return NonFiniteError(
        f"The {what} of loss term `{term}` must be finite at step {step} (lr {lr:.3g}), got losses "
        f"{dict(zip(terms, values.tolist(), strict=True))}. The weights are those before the step. Lower the learning "
        "rate, warm it up, or look for a division by zero or a square root at zero in the residual."
    )


def _first_non_finite(terms: Sequence[str], values: Losses, blocks: Blocks) -> tuple[str, str]:
    for i, term in enumerate(terms):
        if not torch.isfinite(values[i]):
            return "loss", term
        if not all(torch.isfinite(block[i]).all() for block in blocks if block is not None):
            return "gradient", term
        if not all(torch.isfinite(torch.linalg.vector_norm(block[i])) for block in blocks if block is not None):
            return "square of the gradient", term  # the second moments would hold its square
    return "sum of losses and gradients", ", ".join(terms)  # finite each, too large together


def clipped(blocks: Blocks, limit: float) -> list[JacBlock | None]:
    """Scale the gradient of each term down to a norm.

    Args:
        blocks: One per parameter, (m, *shape).
        limit: The largest norm over all parameters.
    """
    # in float64, since the square of a float32 gradient of 1e20 is infinite
    norms = [
        torch.linalg.vector_norm(b.reshape(len(b), -1), dim=1, dtype=torch.float64) for b in blocks if b is not None
    ]
    norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    scale = (limit / norm.clamp(min=torch.finfo(norm.dtype).tiny)).clamp(max=1.0)
    return [b if b is None else b * scale.to(b.dtype).view(-1, *[1] * (b.dim() - 1)) for b in blocks]


def put(params: Sequence[Tensor], blocks: Blocks) -> None:
    """Lay the gradients on the parameters as ``p.jac``, where optimizers and callbacks find them.

    Args:
        params: The parameters.
        blocks: One per parameter, (m, *shape).
    """
    for p, block in zip(params, blocks, strict=True):
        if block is not None:
            p.jac = block  # type: ignore[attr-defined]


def taken(params: Sequence[Tensor]) -> Jacobian:
    """The gradients that lie on the parameters, side by side.

    Args:
        params: Parameters, some with ``p.jac``.
    """
    return flatten([p.jac for p in params if hasattr(p, "jac")])


def balance(balancer: Balancer, params: Sequence[Tensor], view: StepView, *, pre_combine: bool) -> None:
    """Let a balancer do its work: one gradient as ``p.grad``, or, before a post-combine optimizer, weighted rows.

    Args:
        balancer: A weighting or an aggregator.
        params: Parameters with ``p.jac``.
        view: What the balancer may look at.
        pre_combine: Whether the optimizer steps along one gradient.
    """
    reached = [p for p in params if hasattr(p, "jac")]
    if isinstance(balancer, Weighting):
        weights = balancer(view).to(view.jacobian)
        balancer.weights = weights
        if not pre_combine:
            for p in reached:
                p.jac = p.jac * weights.view(-1, *[1] * p.dim())
            return
        gradient = weights @ view.jacobian
    elif isinstance(balancer, Aggregator):
        rows = view.jacobian / (view.losses[:, None] + TINY) if balancer.of_log_losses else view.jacobian
        gradient = balancer(rows)
    else:
        raise TypeError(f"`balancer` must be a Weighting or an Aggregator, got {type(balancer).__name__}.")
    for p, part in zip(reached, gradient.split([p.numel() for p in reached]), strict=True):
        p.grad = part.view_as(p)


def spread(
    blocks: Sequence[Tensor | None], rows: Sequence[int], count: int, params: Sequence[Tensor], reached: Sequence[bool]
) -> list[Tensor | None]:
    """Blocks of some terms as blocks of all, with zeros between.

    Args:
        blocks: One per parameter, one row for each of ``rows``, (len(rows), *shape).
        rows: Which terms they belong to.
        count: Number of all terms.
        params: The parameters.
        reached: Which of them any term reaches: these get a block, also where none of ``rows`` does.

    Returns:
        One (count, *shape) per parameter that any term reaches.
    """
    whole: list[Tensor | None] = []
    for block, p, there in zip(blocks, params, reached, strict=True):
        zeros = p.new_zeros((count, *p.shape)) if there else None
        if zeros is not None and block is not None:
            zeros.index_copy_(0, torch.tensor(rows, device=p.device), block)
        whole.append(zeros)
    return whole


def forget(params: Sequence[Tensor]) -> None:
    """Take the gradients off the parameters.

    Args:
        params: The parameters.
    """
    for p in params:
        p.grad = None
        if hasattr(p, "jac"):  # removed, since TorchJD adds to any `jac` it finds
            del p.jac
