"""The paper's Algorithm 1, written for reading. Tests compare ``AutoAdamW`` with it."""

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
    r"""Take one AutoAdamW step for one parameter, in place, one loss term after the other.

    Args:
        param: The parameter, of any shape.
        jac: Row i is the gradient of term i, (m, \*shape).
        exp_avg: First moments, (m, \*shape), zero before the first step; updated in place.
        exp_avg_sq: Second moments, (m, \*shape), likewise.
        step: Number of this step, counted from 1.
        lr: Learning rate.
        betas: Decay rates of the first and second moments.
        eps: Added to the square root.
        weight_decay: Decoupled decay, applied once.
        combine: How the terms' steps are added: "sum", "mean", or one weight per term.
        eps_root: Added under the square root.

    Reference:
        The AutoBalance paper (arXiv 2510.06684), Algorithm 1, which prints eps under the square root, and section 3.3,
        which puts it outside.
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
