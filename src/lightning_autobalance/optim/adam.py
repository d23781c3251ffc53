"""One Adam step for a list of tensors: by torch's kernels, or with an epsilon under the root, which those lack."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


def adam_(
    deltas: list[Tensor],
    jacs: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    steps: list[Tensor],
    *,
    group: dict[str, Any],
    fused: bool,
) -> None:
    """Advance moments and step counts in place by torch's Adam, and write the updates into ``deltas``.

    Args:
        deltas: Zeros on entry, which Adam moves as if they were parameters; the updates, lr and sign included, on exit.
        jacs: Gradients, in the shapes of ``deltas``.
        exp_avgs: First moments.
        exp_avg_sqs: Second moments.
        steps: Number of steps already taken, one 0-dim tensor each; incremented.
        group: The parameter group, with the hyper-parameters.
        fused: Whether to use torch's fused kernels.
    """
    compiling = torch.compiler.is_compiling()
    counts = [step.double() for step in steps] if compiling else steps  # 1 - beta**step would lose digits in float32
    adam(
        deltas,
        jacs,
        exp_avgs,
        exp_avg_sqs,
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


def rooted_adam_(
    deltas: list[Tensor],
    jacs: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    steps: list[Tensor],
    *,
    group: dict[str, Any],
) -> None:
    r"""As :func:`adam_`, with ``eps_root`` inside the square root; foreach kernels that never synchronize with the GPU.

    .. math:: \Delta = -\eta \, \frac{m / (1 - \beta_1^k)}{\sqrt{v / (1 - \beta_2^k) + \epsilon_r} + \epsilon}

    Args:
        deltas: Overwritten with the updates, lr and sign included.
        jacs: Gradients, in the shapes of ``deltas``.
        exp_avgs: First moments.
        exp_avg_sqs: Second moments.
        steps: Number of steps already taken, one 0-dim tensor each; incremented.
        group: The parameter group, with the hyper-parameters.
    """
    beta1, beta2 = group["betas"]
    lr = group["lr"].squeeze() if isinstance(group["lr"], Tensor) else group["lr"]
    torch._foreach_add_(steps, 1)
    torch._foreach_lerp_(exp_avgs, jacs, 1 - beta1)
    torch._foreach_mul_(exp_avg_sqs, beta2)
    torch._foreach_addcmul_(exp_avg_sqs, jacs, jacs, 1 - beta2)
    counts = [step.double() for step in steps]
    squares = [v.to(torch.promote_types(v.dtype, torch.float32)) for v in exp_avg_sqs]  # 1e-8 underflows in float16
    roots = torch._foreach_div(squares, [1 - beta2**count for count in counts])
    torch._foreach_add_(roots, group["eps_root"])
    torch._foreach_sqrt_(roots)
    torch._foreach_add_(roots, group["eps"])
    torch._foreach_copy_(deltas, torch._foreach_div(exp_avgs, roots))
    torch._foreach_mul_(deltas, [-lr / (1 - beta1**count) for count in counts])


def check_moments(state: Mapping[str, Tensor], jac: Tensor) -> None:
    """Check that both moments have the shape of the gradients: a fused kernel would write beyond them.

    Raises:
        ValueError: If one has not.
    """
    for name in ("exp_avg", "exp_avg_sq"):
        if state[name].shape != jac.shape:
            raise ValueError(
                f"`{name}` must have the shape of `jac`, {tuple(jac.shape)}, got {tuple(state[name].shape)}."
            )
