"""MultiAdam and AdaTask: earlier post-combine methods, as settings of the optimizers here."""

from typing import Literal

import torch
from torch.optim.optimizer import ParamsT

from lightning_autobalance.optim.auto_adamw import AutoAdamW
from lightning_autobalance.optim.auto_balance import AutoBalance
from lightning_autobalance.optim.post_combine import PostCombine


def ada_task(
    params: ParamsT, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> AutoAdamW:
    """AdaTask with Adam: one Adam state per loss term, the steps summed, no decay.

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch.
        lr: Learning rate.
        betas: Decay rates of the first and second moments.
        eps: Added to the square root.

    Reference:
        Yang et al., AdaTask, AAAI 2023 (arXiv 2211.15055).

    Note:
        The authors' code accepts a weight decay but does not use it.
    """
    return AutoAdamW(params, lr=lr, betas=betas, eps=eps)


def multi_adam(
    params: ParamsT,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.99, 0.99),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    weights: list[float] | None = None,
) -> PostCombine:
    """MultiAdam: one Adam state per loss term, the steps averaged.

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch.
        lr: Learning rate.
        betas: Decay rates of the first and second moments.
        eps: Added to the square root.
        weight_decay: Coupled decay: this times the parameters is added to the gradient of each term.
        weights: One per term; the mean by default.

    Reference:
        Yao et al., MultiAdam, ICML 2023 (arXiv 2306.02816).

    Note:
        MultiAdam's groups are the loss terms here. The authors put all residuals into one group and all boundary and
        data losses into another; to reproduce that, return two terms from ``losses``. Their optional second Adam on
        the combined step, off by default, is omitted.
    """
    combine: Literal["mean"] | list[float] = weights if weights is not None else "mean"
    if weight_decay == 0:
        return AutoAdamW(params, lr=lr, betas=betas, eps=eps, combine=combine)
    return AutoBalance(params, torch.optim.Adam, combine, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
