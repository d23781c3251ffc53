"""AutoAdamW: one Adam state per loss term, decoupled decay once."""

from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.optimizer import ParamsT

from lightning_autobalance.optim.post_combine import PostCombine, at_least_zero


@final
class AutoAdamW(PostCombine):
    r"""AdamW with moments of its own for every loss term; the terms' steps are summed.

    .. math::
        m_i &\leftarrow \beta_1 m_i + (1 - \beta_1) g_i \qquad
        v_i \leftarrow \beta_2 v_i + (1 - \beta_2) g_i^2 \\
        w &\leftarrow (1 - \eta \lambda) \, w - \eta \sum_i \frac{m_i / (1 - \beta_1^k)}{\sqrt{v_i / (1 - \beta_2^k)} +
        \epsilon}

    With one term this is ``torch.optim.AdamW``. The size of a loss cancels in its own quotient, so that fixed loss
    weights change nothing up to ``eps``.

    Gradients are read from ``p.jac`` (m, \*shape); ``lightning_autobalance.backward(losses, params)`` puts them there.
    Memory: 2 m n numbers of state.

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch.
        lr: Learning rate; a 0-dim tensor where a captured CUDA graph or a compiled step shall follow a schedule.
        betas: Decay rates of the first and the second moment.
        eps: Added to the root, outside it.
        weight_decay: Decoupled decay, applied once per step.
        combine: "sum" of the terms' steps, their "mean", or one weight per term.
        capturable: Whether the step may be captured in a CUDA graph.
        foreach: Use torch's foreach kernels. By default torch decides where ``fused`` is off.
        fused: Use torch's fused kernels. By default on CPU and CUDA, unless ``foreach`` is given or the step is
            compiled.

    Raises:
        ValueError: If a hyper-parameter is out of its range.
        TypeError: If a parameter is not of real floating-point type.

    Reference:
        The AutoBalance paper (arXiv 2510.06684), Algorithm 1. AdaTask (arXiv 2211.15055) is the same without decay;
        MultiAdam (ICML 2023) is ``combine="mean", betas=(0.99, 0.99)``.

    Note:
        The paper gives no ``weight_decay``; torch's default is 0.01, ours is 0, since decay stalled PINNs in our
        trials. ``eps`` stands outside the root, as in torch and in the paper's text.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        combine: Literal["sum", "mean"] | list[float] = "sum",
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "combine": combine,
                "capturable": capturable,
                "foreach": foreach,
                "fused": fused,
            },
        )

    def _check_group(self, group: dict[str, Any]) -> None:
        super()._check_group(group)
        at_least_zero("eps", group["eps"])
        if group["eps"] == 0:
            raise ValueError("`eps` must be > 0, got 0: a parameter that a term does not reach would move by 0/0.")
        for i, beta in enumerate(group["betas"]):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"`betas[{i}]` must be in [0, 1), got {beta}.")
        if group["fused"] and group["foreach"]:
            raise ValueError("`fused` and `foreach` must not both be true. Leave one of them out.")
        if isinstance(group["lr"], Tensor) and group["foreach"] and not group["capturable"]:
            raise ValueError("`lr` must be a number with `foreach=True`, got a tensor. Give `capturable=True`, too.")

    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        device = params[0].device
        fused = _use_fused(device, group)
        if device.type == "cuda" and not group["capturable"] and torch.cuda.is_current_stream_capturing():
            raise RuntimeError("`capturable` must be true when a CUDA graph captures the step, got False.")
        step_follows = fused or group["capturable"]  # else on CPU, where reading it stops no stream
        states = [self._state_of(p, jac, step_follows) for p, jac in zip(params, jacs, strict=True)]
        steps = [state["step"] for state in states]
        compiling = torch.compiler.is_compiling()
        counts = [step.double() for step in steps] if compiling else steps  # 1 - beta**step loses digits in float32
        adam(  # moves copies of the parameters that start at zero, so that they end as the updates
            deltas,
            jacs,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            counts,
            foreach=group["foreach"],
            capturable=group["capturable"],
            fused=fused,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )
        if compiling:
            torch._foreach_copy_(steps, counts)

    def _state_of(self, p: Tensor, jac: Tensor, step_follows: bool) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[p]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=p.device if step_follows else "cpu")
            state["exp_avg"] = torch.zeros_like(jac)
            state["exp_avg_sq"] = torch.zeros_like(jac)
        moment, device = state["exp_avg"], p.device
        if moment.shape != jac.shape:
            raise ValueError(f"`exp_avg` must have the shape of `jac`, {tuple(jac.shape)}, got {tuple(moment.shape)}.")
        if moment.dtype != p.dtype or moment.device != device:  # the network was moved since the last step
            state["exp_avg"] = moment.to(p)
            state["exp_avg_sq"] = state["exp_avg_sq"].to(p)
        if step_follows and state["step"].device != device:
            state["step"] = state["step"].to(device)
        return state


def _use_fused(device: torch.device, group: dict[str, Any]) -> bool:
    if group["fused"] is not None:
        return bool(group["fused"])
    return group["foreach"] is None and device.type in ("cpu", "cuda") and not torch.compiler.is_compiling()
