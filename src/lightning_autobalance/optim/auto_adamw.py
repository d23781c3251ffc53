"""AutoAdamW: one Adam state per loss term, decoupled weight decay applied once per step."""

from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lightning_autobalance.optim.adam import adam_, check_moments, rooted_adam_
from lightning_autobalance.optim.post_combine import PostCombine
from lightning_autobalance.utils.arguments import check_at_least, check_interval


@final
class AutoAdamW(PostCombine):
    r"""AdamW with separate moments for every loss term; the terms' steps are summed.

    .. math::
        m_i &\leftarrow \beta_1 m_i + (1 - \beta_1) g_i \qquad
        v_i \leftarrow \beta_2 v_i + (1 - \beta_2) g_i^2 \\
        w &\leftarrow (1 - \eta \lambda) \, w - \eta \sum_i \frac{m_i / (1 - \beta_1^k)}{\sqrt{v_i / (1 - \beta_2^k) +
        \epsilon_r} + \epsilon}

    With one term this is ``torch.optim.AdamW``. The scale of a loss cancels between its own two moments, so fixed loss
    weights have no effect up to ``eps`` and ``eps_root``.

    Gradients are read from ``p.jac`` (m, \*shape); ``lightning_autobalance.backward(losses, params)`` puts them there.
    Memory: 2 m n numbers of optimizer state.

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch.
        lr: Learning rate; a 0-dim tensor if a captured CUDA graph or a compiled step has to follow a schedule.
        betas: Decay rates of the first and second moments, in [0, 1).
        eps: Added to the square root. May be 0 only if ``eps_root`` is positive.
        weight_decay: Decoupled decay, applied once per step rather than once per term.
        combine: How the terms' steps are added: "sum", "mean", or one weight per term.
        eps_root: :math:`\epsilon_r`, added under the square root, as in optax.
        capturable: Whether a training loop of one's own may capture the step in a CUDA graph, as in torch's Adam.
        foreach: Use torch's foreach kernels. By default torch decides if ``fused`` is off. ``eps_root``, which torch's
            Adam does not support, always uses foreach kernels.
        fused: Use torch's fused kernels. On by default on CPU and CUDA, unless ``foreach`` or ``eps_root`` is given or
            the step is compiled.

    Raises:
        ValueError: If a hyper-parameter is out of its range.
        TypeError: If a parameter is not of real floating-point type.

    Reference:
        The AutoBalance paper (arXiv 2510.06684), Algorithm 1. AdaTask (arXiv 2211.15055) is the same without decay;
        MultiAdam (ICML 2023) is ``combine="mean", betas=(0.99, 0.99)``.

    Note:
        The paper gives no ``weight_decay``; torch's default is 0.01, ours is 0, because decay stalled PINNs in our
        trials. ``eps`` is added outside the square root, as in torch and in the paper's text. Algorithm 1 prints it
        inside, which is ``eps=0.0, eps_root=1e-8``: gradients far below 1e-4 then hardly move a weight.
    """

    per_term = ("exp_avg", "exp_avg_sq")
    per_parameter = ("step",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        combine: Literal["sum", "mean"] | list[float] = "sum",
        *,
        eps_root: float = 0.0,
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
                "eps_root": eps_root,
                "capturable": capturable,
                "foreach": foreach,
                "fused": fused,
            },
        )

    def _check_group(self, group: dict[str, Any]) -> None:
        super()._check_group(group)
        check_at_least("eps", float(group["eps"]), 0)
        check_at_least("eps_root", float(group["eps_root"]), 0)
        if group["eps"] == group["eps_root"] == 0:
            raise ValueError(
                "`eps` must be > 0, got 0: a parameter that a term does not reach would move by 0/0. Or give a "
                "positive `eps_root`."
            )
        for i, beta in enumerate(group["betas"]):
            check_interval(f"betas[{i}]", beta, 0, 1)
        if group["fused"] and group["foreach"]:
            raise ValueError("`fused` and `foreach` must not both be true. Leave one of them out.")
        if group["fused"] and group["eps_root"] > 0:
            raise ValueError(
                f"`fused` must not be true with an `eps_root`, got {group['eps_root']}: torch's fused kernel adds "
                "nothing inside the root. Leave `fused` out."
            )
        if isinstance(group["lr"], Tensor) and group["foreach"] and not group["capturable"]:
            raise ValueError("`lr` must be a number with `foreach=True`, got a tensor. Give `capturable=True`, too.")

    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        device = params[0].device
        fused = _use_fused(device, group)
        if device.type == "cuda" and not group["capturable"] and torch.cuda.is_current_stream_capturing():
            raise RuntimeError("`capturable` must be true when a CUDA graph captures the step, got False.")
        # Otherwise the step counts stay on the CPU, where reading them does not synchronize with the GPU.
        step_on_device = fused or group["capturable"]
        states = [self._state_of(p, jac, step_on_device) for p, jac in zip(params, jacs, strict=True)]
        means, squares, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
        if group["eps_root"] > 0:
            rooted_adam_(deltas, jacs, means, squares, steps, group=group)
        else:
            adam_(deltas, jacs, means, squares, steps, group=group, fused=fused)

    def _state_of(self, p: Tensor, jac: Tensor, step_on_device: bool) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[p]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=p.device if step_on_device else "cpu")
            state["exp_avg"] = torch.zeros_like(jac)
            state["exp_avg_sq"] = torch.zeros_like(jac)
        check_moments(state, jac)
        moment, square, device = state["exp_avg"], state["exp_avg_sq"], p.device
        if moment.dtype != p.dtype or moment.device != device:  # the network was moved after the last step
            state["exp_avg"] = moment.to(p)
            state["exp_avg_sq"] = square.to(p)
        if step_on_device and state["step"].device != device:
            state["step"] = state["step"].to(device)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("eps_root", 0.0)  # older checkpoints have none


def _use_fused(device: torch.device, group: dict[str, Any]) -> bool:
    if group["eps_root"] > 0:
        return False
    if group["fused"] is not None:
        return bool(group["fused"])
    return group["foreach"] is None and device.type in ("cpu", "cuda") and not torch.compiler.is_compiling()
