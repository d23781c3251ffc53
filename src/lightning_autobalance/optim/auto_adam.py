"""AutoAdam: the optimizer that the paper analyses."""

from typing import Any, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lightning_autobalance.optim.post_combine import PostCombine
from lightning_autobalance.utils.arguments import check_interval


@final
class AutoAdam(PostCombine):
    r"""One Adam state per loss term without bias correction, as the paper analyses it. To train, use ``AutoAdamW``.

    .. math::
        m_i^0 = g_i, \quad v_i^0 = g_i^2, \quad
        m_i \leftarrow \beta_1 m_i + (1 - \beta_1) g_i, \quad v_i \leftarrow \beta_2 v_i + (1 - \beta_2) g_i^2, \quad
        w \leftarrow w - \eta \sum_i m_i / \sqrt{v_i}

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch.
        lr: Learning rate.
        betas: Decay rates of the first and second moments; (0, 1) is the setting of the paper's Theorem 1.

    Raises:
        ValueError: If a hyper-parameter is out of its range.
        TypeError: If a parameter is not of real floating-point type.

    Reference:
        The AutoBalance paper (arXiv 2510.06684), Algorithm 3.

    Note:
        Algorithm 3 has no eps and leaves 0/0 undefined. Here a component whose second moment is 0 does not move.
    """

    per_term = ("exp_avg", "exp_avg_sq")

    def __init__(self, params: ParamsT, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": 0.0, "combine": "sum"})

    def _check_group(self, group: dict[str, Any]) -> None:
        super()._check_group(group)
        for i, beta in enumerate(group["betas"]):
            check_interval(f"betas[{i}]", beta, 0, 1, ends="[]")

    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for delta, p, jac in zip(deltas, params, jacs, strict=True):
            state = self.state[p]
            if not state:
                state["exp_avg"], state["exp_avg_sq"] = jac.clone(), jac.square()
            mean = state["exp_avg"].lerp_(jac, 1 - beta1)
            square = state["exp_avg_sq"].mul_(beta2).addcmul_(jac, jac, value=1 - beta2)
            delta.copy_(torch.where(square > 0, -group["lr"] * mean / square.sqrt(), 0.0))
