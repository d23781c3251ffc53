"""The paper's Algorithm 1, written to be read. Tests hold the fast optimizer to it."""

from typing import Literal

from lightning_autobalance.shapes import Param, ParamJac


def auto_adamw_reference_(
    param: Param,
    jac: ParamJac,
    exp_avg: ParamJac,
    exp_avg_sq: ParamJac,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    combine: Literal["sum", "mean"] | list[float] = "sum",
    eps_root: float = 0.0,
) -> None:
    r"""Move one parameter by one AutoAdamW step, in place, one loss term after the other.

    Args:
        param: The parameter, of any shape.
        jac: Row i is the gradient of term i, (m, \*shape).
        exp_avg: First moments, (m, \*shape), zero before the first step; moved in place.
        exp_avg_sq: Second moments, likewise.
        step: 1 in the first step.
        lr: Learning rate.
        betas: Decay rates of the moments.
        eps: Added to the root, outside it.
        weight_decay: Decoupled decay, applied once.
        combine: "sum" of the terms' steps, their "mean", or one weight per term.
        eps_root: Added inside the root.

    Reference:
        The AutoBalance paper (arXiv 2510.06684), Algorithm 1, which prints its eps inside the root, and section 3.3,
        which has it outside.
    """
    beta1, beta2 = betas
    terms = len(jac)
    param.mul_(1 - lr * weight_decay)
    for i in range(terms):
        exp_avg[i] = beta1 * exp_avg[i] + (1 - beta1) * jac[i]
        exp_avg_sq[i] = beta2 * exp_avg_sq[i] + (1 - beta2) * jac[i] ** 2
        mean = exp_avg[i] / (1 - beta1**step)
        square = exp_avg_sq[i] / (1 - beta2**step)
        direction = mean / ((square + eps_root).sqrt() + eps)
        weight = combine[i] if isinstance(combine, list) else {"sum": 1.0, "mean": 1.0 / terms}[combine]
        param.sub_(lr * weight * direction)
